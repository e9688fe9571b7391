"""Studies: a method of the table with single settings changed, one axis at a time.

What a point is run under are settings of the science like any others, so that keys, source models
and cells need to know nothing of studies. `studies_file.py` reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from dpf_core.config_reading import from_mapping, to_mapping
from pipeline.science.settings import MethodSettings, ScienceSettings, SourceSettings, check_choice

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One value on the axis of a study."""

    name: str
    """The number on a curve, or the word under a bar."""
    model: Mapping[str, Any]
    """Settings of the source's and of the method's model that are replaced."""
    train: Mapping[str, Any]
    """Settings of the source's training that are replaced."""
    num_sources: int | None
    """Source tasks, the first of `source_order`; None for all."""

    @property
    def is_default(self) -> bool:
        """Whether it changes nothing: what the others are compared with."""
        return not self.model and not self.train and self.num_sources is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """One axis."""

    name: str
    title: str
    """In words, beside the axis."""
    kind: Literal["curve", "bars"]
    """Whether points are numbers or names."""
    targets: tuple[str, ...]
    """Target tasks of its cells."""
    points: tuple[Point, ...]

    @property
    def default(self) -> Point:
        """The one point that changes nothing."""
        return next(point for point in self.points if point.is_default)


@dataclass(frozen=True, kw_only=True, slots=True)
class Studies:
    """All of them."""

    method: str
    """Of params.yaml; its model, its source and the point that its tuning chose are varied."""
    seeds: tuple[int, ...]
    source_training: Mapping[str, Any]
    """Settings of the source's training that are replaced at every point alike."""
    source_order: tuple[str, ...]
    """All source tasks in the order in which `num_sources` takes them; empty where none does."""
    studies: Mapping[str, Study]

    def study(self, name: str) -> Study:
        """Return a study.

        Raises:
            ConfigError: There is none of that name.
        """
        check_choice(name, self.studies, "a study")
        return self.studies[name]


def varied(studies: Studies, settings: ScienceSettings) -> tuple[MethodSettings, str]:
    """Return the method that is varied, and the name of its source."""
    method = settings.method(studies.method)
    assert method.source is not None, "checked when the studies were read"
    return method, method.source


def variant(settings: ScienceSettings, studies: Studies, point: Point) -> ScienceSettings:
    """Return the settings of the science that a point is run under.

    Targets and seeds stay those of the table; a study takes some of them. Other methods that start
    from the varied source, which would no longer fit them, are left out; the varied one is the
    challenger.

    Raises:
        ConfigError: A setting is unknown, or has the wrong type or range.
    """
    method, name = varied(studies, settings)
    source = settings.sources[name]
    train = {**studies.source_training, **point.train}
    gym, changed = (
        settings.gym,
        SourceSettings(
            model=_changed(source.model, point.model),
            train=_changed(source.train, train),
            teacher=source.teacher,
        ),
    )
    if point.num_sources is not None:
        chosen = studies.source_order[: point.num_sources]
        gym = replace(gym, sources=tuple(task for task in gym.sources if task in chosen))
    others = {other: found for other, found in settings.methods.items() if found.source != name}
    return replace(
        settings,
        gym=gym,
        gain=replace(settings.gain, challenger=studies.method),
        sources={**settings.sources, name: changed},
        methods={
            **others,
            studies.method: replace(method, model=_changed(method.model, point.model)),
        },
    )


def _changed(config: T, changes: Mapping[str, Any]) -> T:
    return from_mapping(type(config), {**to_mapping(config), **changes}, "the replaced settings")
