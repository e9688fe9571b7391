"""Reading `pipeline/science/params.yaml`, strictly.

Sections that name settings of the library are read into its own dataclasses. A source or a method
replaces single values of `model`, `source_training` and `adaptation`.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from dpf_core.adaptation import AdaptConfig
from dpf_core.config import BackboneConfig, ModelConfig, TrainConfig
from dpf_core.config_reading import from_mapping
from dpf_core.errors import ConfigError, GymError
from dpf_core.gym.yaml_file import load_yaml_mapping
from pipeline.science.sets import check_sets
from pipeline.science.settings import (
    PARAMS,
    WITHOUT_USE,
    GainSettings,
    GymSettings,
    MethodSettings,
    RuntimeSettings,
    ScienceSettings,
    SourceSettings,
    SweepPoint,
    TeacherSettings,
    TuningSettings,
    check_choice,
)
from pipeline.science.settings_checks import check_name, check_settings

T = TypeVar("T")

RATES = {
    "dpf": ("prompt_learning_rate", "gate_learning_rate", "head_learning_rate"),
    "attempt": ("prompt_learning_rate", "gate_learning_rate", "head_learning_rate"),
    "heads_only": ("head_learning_rate",),
    "full_finetune": ("backbone_learning_rate", "head_learning_rate"),
}
"""Rates that a method has a use for, where they are not those of any other prompt."""
_PROMPT_RATES = ("prompt_learning_rate", "head_learning_rate")
_ADAPT_KEYS = tuple(field.name for field in fields(AdaptConfig))


def load_science(path: Path = PARAMS) -> ScienceSettings:
    """Return the settings of the science.

    Raises:
        ConfigError: The file is absent or damaged, a section or setting is unknown, missing or out
            of range, or source and target sets overlap.
    """
    try:
        content = load_yaml_mapping(path, "parameters, read from the project's folder")
    except GymError as error:
        raise ConfigError(str(error)) from error
    return _Reader(content, path).settings()


class _Reader:
    def __init__(self, content: Mapping[str, Any], path: Path) -> None:
        sections = (
            "runtime", "gym", "backbone", "model", "source_training", "adaptation", "sources",
            "methods", "tuning", "gain",
        )  # fmt: skip
        for name in content:
            check_choice(name, sections, f"a section of {path}")
        if missing := [name for name in sections if name not in content]:
            raise ConfigError(f"{path} must have the sections {sections}, got no {missing[0]!r}.")
        for name in sections:
            _mapping(content[name], None, f"{name} in {path}")
        self.content, self.path = content, path

    def settings(self) -> ScienceSettings:
        gym = self._read(GymSettings, "gym")
        check_sets(gym.targets, gym.sources, gym.seeds, self.path)
        sources = {name: self._source(name, value) for name, value in self._entries("sources")}
        methods = {name: self._method(name, value) for name, value in self._entries("methods")}
        settings = ScienceSettings(
            runtime=self._read(RuntimeSettings, "runtime"),
            gym=gym,
            backbone=self._read(BackboneConfig, "backbone"),
            sources=sources,
            methods=methods,
            tuning=self._read(TuningSettings, "tuning"),
            gain=self._read(GainSettings, "gain"),
        )
        check_settings(settings, self.path)
        return settings

    def _read(self, cls: type[T], section: str) -> T:
        return from_mapping(cls, self.content[section], f"{section} in {self.path}")

    def _entries(self, section: str) -> list[tuple[str, Mapping[str, Any]]]:
        entries = self.content[section]
        if not entries:
            raise ConfigError(
                f"{section} in {self.path} must name at least one of its kind, got {entries!r}. "
                "Write `name: {...}` lines."
            )
        return [(check_name(name, section, self.path), value) for name, value in entries.items()]

    def _source(self, name: str, value: Mapping[str, Any]) -> SourceSettings:
        where = f"sources.{name} in {self.path}"
        value = _mapping(value, ("model", "train", "teacher"), where)
        changes = _mapping(value["train"], None, f"train of {where}")
        train = {**self.content["source_training"], **changes}
        return SourceSettings(
            model=self._model(value["model"], where),
            train=from_mapping(TrainConfig, train, f"train of {where}"),
            teacher=self._teacher(value["teacher"], f"teacher of {where}"),
        )

    def _teacher(self, value: Mapping[str, Any] | None, where: str) -> TeacherSettings | None:
        return None if value is None else from_mapping(TeacherSettings, value, where)

    def _method(self, name: str, value: Mapping[str, Any]) -> MethodSettings:
        where = f"methods.{name} in {self.path}"
        value = _mapping(value, ("source", "retrieves", "model", "sweep"), where)
        model = self._model(value["model"], where)
        if not isinstance(value["retrieves"], bool):
            raise ConfigError(
                f"retrieves of {where} must be true or false, got {value['retrieves']!r}. "
                "Correct it."
            )
        if value["source"] is not None and not isinstance(value["source"], str):
            raise ConfigError(
                f"source of {where} must be a name or null, got {value['source']!r}. Correct it."
            )
        if not isinstance(value["sweep"], list) or not value["sweep"]:
            raise ConfigError(f"sweep of {where} must be a list of points, got {value['sweep']!r}.")
        return MethodSettings(
            source=value["source"],
            retrieves=value["retrieves"],
            model=model,
            sweep=tuple(self._point(model.method, point, where) for point in value["sweep"]),
        )

    def _model(self, changes: Mapping[str, Any], where: str) -> ModelConfig:
        section = f"model in {self.path}"
        _without(self.content["model"], ("method", "init_from"), section)
        values = {**self.content["model"], **_mapping(changes, None, f"model of {where}")}
        return from_mapping(ModelConfig, {**values, "init_from": None}, f"{section} and of {where}")

    def _point(self, method: str, point: Mapping[str, Any], where: str) -> SweepPoint:
        point = _mapping(point, None, f"a point of the sweep of {where}")
        rates = RATES.get(method, _PROMPT_RATES)
        if method == "dpf" and point.get("mode") != "joint":
            rates = _PROMPT_RATES  # the gate stays as it is
        needed = rates + (_ADAPT_KEYS if method == "dpf" else ())
        where = f"a point of the sweep of {where}"
        if missing := [key for key in needed if key not in point]:
            raise ConfigError(
                f"{where} must name {', '.join(needed)}, got no {missing[0]}. Add it."
            )
        every = [name for name in TrainConfig.__dataclass_fields__ if name.endswith("_rate")]
        useless = [name for name in every if name not in rates] + list(WITHOUT_USE)
        useless += [] if method == "dpf" else _ADAPT_KEYS
        _without(point, useless, where)
        _without(self.content["adaptation"], useless, f"adaptation in {self.path}")
        defaults = TrainConfig()
        filled = {name: getattr(defaults, name) for name in useless if name not in _ADAPT_KEYS}
        rest = {key: value for key, value in point.items() if key not in _ADAPT_KEYS}
        values = {**filled, **self.content["adaptation"], **rest}
        adapt = {key: point.get(key, _NO_CHOICE[key]) for key in _ADAPT_KEYS}
        return SweepPoint(
            values=dict(point),
            train=from_mapping(TrainConfig, values, f"adaptation in {self.path} and {where}"),
            adapt=from_mapping(AdaptConfig, adapt, where),
        )


_NO_CHOICE = {"mode": "joint", "row_init": "uniform", "head_init": "zero"}
"""What methods without a pool leave open."""


def _mapping(value: Any, keys: tuple[str, ...] | None, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or (keys is not None and set(value) != set(keys)):
        wanted = "settings" if keys is None else f"exactly {', '.join(keys)}"
        raise ConfigError(f"{where} must be a mapping of {wanted}, got {value!r}. Correct it.")
    return value


def _without(values: Any, keys: Any, where: str) -> None:
    for key in keys:
        if key in values:
            raise ConfigError(
                f"{where} must name no setting without effect, got {key!r}. Remove it there."
            )
