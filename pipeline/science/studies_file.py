"""Reading `pipeline/science/studies.yaml`, strictly: every point is checked before any training."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

from dpf_core.config_reading import from_mapping
from dpf_core.errors import ConfigError, GymError
from dpf_core.gym.yaml_file import load_yaml_mapping
from pipeline.science.environment import NOWHERE
from pipeline.science.keys import digest, method_setup, source_question
from pipeline.science.settings import ScienceSettings, check_choice
from pipeline.science.settings_checks import check_name, check_settings
from pipeline.science.studies import Point, Studies, Study, variant, varied

T = TypeVar("T")

_POINT = re.compile(r"[a-z0-9_]+(\.[0-9]+)?")
_FIXED = ("method", "init_from")
"""Settings of a model that make it another method or hide where it started."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Head:
    """The plain values of the file."""

    method: str
    targets: tuple[str, ...]
    seeds: tuple[int, ...]
    source_order: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Axis:
    """The plain values of a study."""

    title: str
    kind: Literal["curve", "bars"]
    targets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Count:
    num_sources: int | None


def load_studies(path: Path, settings: ScienceSettings) -> Studies:
    """Return the studies of a method.

    Args:
        path: Of studies.yaml.
        settings: Of the science, of which the studies vary a method.

    Raises:
        ConfigError: The file is absent or damaged, names what is not there, or has a point that
            cannot be run or is like another one of its study.
    """
    try:
        content = load_yaml_mapping(path, "studies, read from the project's folder")
    except GymError as error:
        raise ConfigError(str(error)) from error
    needed = ("method", "targets", "seeds", "source_training", "studies")
    _exactly(content, needed, str(path), optional=("source_order",))
    named = _mapping(content["studies"], f"studies in {path}")
    if not named:
        raise ConfigError(f"studies in {path} must name at least one, got none. Add one.")
    head = _read(_Head, {"source_order": [], **content}, str(path))
    studies = Studies(
        method=head.method,
        seeds=head.seeds,
        source_training=_mapping(content["source_training"], f"source_training in {path}"),
        source_order=head.source_order,
        studies={
            check_name(name, "studies", path): _study(name, value, head, path)
            for name, value in named.items()
        },
    )
    _check_sets(studies, settings, path)
    _check_some(head.targets, settings.gym.targets, f"targets in {path}")
    _check_training(settings, studies, path)
    for study in studies.studies.values():
        where = f"targets of the study {study.name} in {path}"
        _check_some(study.targets, settings.gym.targets, where)
        _check_points(settings, studies, study, path)
    return studies


def _study(name: str, value: Any, head: _Head, path: Path) -> Study:
    """Return a study; it has the targets of the file unless it names its own."""
    where = f"the study {name} in {path}"
    _exactly(value, ("title", "kind", "points"), where, optional=("targets",))
    points = _mapping(value["points"], f"points of {where}")
    axis = _read(_Axis, {"targets": list(head.targets), **value}, where)
    return Study(
        name=name,
        title=axis.title,
        kind=axis.kind,
        targets=axis.targets,
        points=tuple(_point(key, changes, where) for key, changes in points.items()),
    )


def _point(name: Any, value: Any, where: str) -> Point:
    if not isinstance(name, str) or not _POINT.fullmatch(name):
        raise ConfigError(
            f'a point of {where} must be named by lower-case letters, digits and "_", or be a '
            f"number in quotes, got {name!r}: a file is named after it. Rename it."
        )
    where = f"the point {name} of {where}"
    for key in _mapping(value, where):
        check_choice(key, ("model", "train", "num_sources"), f"a part of {where}")
    model = _mapping(value.get("model", {}), f"model of {where}")
    for key in _FIXED:
        if key in model:
            raise ConfigError(f"{where} must not replace {key!r}, got {model[key]!r}. Remove it.")
    return Point(
        name=name,
        model=model,
        train=_mapping(value.get("train", {}), f"train of {where}"),
        num_sources=_read(_Count, {"num_sources": None, **value}, where).num_sources,
    )


def _read(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Return the plain values among others."""
    return from_mapping(cls, {name: values[name] for name in get_type_hints(cls)}, where)


def _check_sets(studies: Studies, settings: ScienceSettings, path: Path) -> None:
    check_choice(studies.method, settings.methods, f"method in {path}")
    if settings.methods[studies.method].source is None:
        raise ConfigError(
            f"method in {path} must start from a source model, got {studies.method}. Name another."
        )
    _check_some(studies.seeds, settings.gym.seeds, f"seeds in {path}")
    points = [point for study in studies.studies.values() for point in study.points]
    needs_order = any(point.num_sources is not None for point in points)
    is_whole = sorted(studies.source_order) == sorted(settings.gym.sources)
    if not is_whole and (needs_order or studies.source_order):
        raise ConfigError(
            f"source_order in {path} must name every source task of the parameters once, got "
            f"{', '.join(studies.source_order) or 'nothing'}. Correct the list."
        )


def _check_some(names: Sequence[Any], choices: Sequence[Any], where: str) -> None:
    for name in names:
        check_choice(name, choices, where)
    if not names or len(set(names)) < len(names):
        raise ConfigError(
            f"{where} must name each of at least one once, got {list(names)}. Correct the list."
        )


def _check_training(settings: ScienceSettings, studies: Studies, path: Path) -> None:
    nothing = Point(name="default", model={}, train={}, num_sources=None)
    try:
        variant(settings, studies, nothing)
    except ConfigError as error:
        raise ConfigError(f"{error} It is in source_training of {path}.") from error


def _check_points(settings: ScienceSettings, studies: Studies, study: Study, path: Path) -> None:
    """Return if every point can be run and stands for a model of its own."""
    where = f"the study {study.name} in {path}"
    defaults = [point.name for point in study.points if point.is_default]
    if len(defaults) != 1:
        raise ConfigError(
            f"one point of {where} must change nothing, which the others are compared with, got "
            f"{', '.join(defaults) or 'none'}. Write its name with an empty mapping."
        )
    if study.kind == "curve":
        for point in study.points:
            _check_number(point.name, where)
    keys = {point.name: _checked_key(settings, studies, point, where) for point in study.points}
    for one, other in combinations(keys, 2):
        if keys[one] == keys[other]:
            raise ConfigError(
                f"points of {where} must be different ones, got {one} and {other} of the same "
                "model. Remove one, or change it."
            )


def _checked_key(settings: ScienceSettings, studies: Studies, point: Point, where: str) -> str:
    """Return the key of all that a point's settings say, after every check of them."""
    most, found = len(settings.gym.sources), point.num_sources
    if found is not None and not 1 <= found < most:
        raise ConfigError(
            f"num_sources must be in [1, {most}), got {found} (the point {point.name} of {where}). "
            "Leave it out for all."
        )
    try:
        derived = variant(settings, studies, point)
        check_settings(derived, Path("params.yaml"))
    except ConfigError as error:
        raise ConfigError(f"{error} It is of the point {point.name} of {where}.") from error
    method, name = varied(studies, derived)
    setup = method_setup(derived, method, method.sweep[0], NOWHERE, None)
    return digest([setup, source_question(derived, name)])


def _check_number(name: str, where: str) -> None:
    try:
        is_number = isfinite(float(name))
    except ValueError:
        is_number = False
    if not is_number:
        raise ConfigError(
            f"the points of a curve must be numbers, got {name!r} ({where}). Write kind: bars."
        )


def _exactly(
    value: Any, keys: tuple[str, ...], where: str, *, optional: tuple[str, ...] = ()
) -> None:
    _mapping(value, where)
    for key in value:
        check_choice(key, (*keys, *optional), f"a part of {where}")
    if missing := [key for key in keys if key not in value]:
        raise ConfigError(f"{where} must have {', '.join(keys)}, got no {missing[0]}. Add it.")


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a mapping, got {value!r}. Correct it.")
    return value
