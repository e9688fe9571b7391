"""What a suite is: its tasks, and by which measures each is scored. Suites are YAML data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpf_core.errors import ConfigError, GymError
from dpf_core.evaluation.metrics import check_metric
from dpf_core.evaluation.suites.measures import MEASURES
from dpf_core.gym.spec import check_keys
from dpf_core.gym.yaml_file import load_yaml_mapping
from dpf_core.naming import check_task_name

_SUITE_KEYS = {"name", "description", "reference", "notes", "tasks"}
_MEMBER_KEYS = {"own", "crossfit", "stands_for", "subjects"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One task of a suite."""

    task: str
    own: tuple[str, ...] = ()
    """The suite's measures, whose mean is the task's score in it; empty takes the task's metric."""
    crossfit: str | None = None
    """The measure that is CrossFit's for this task; None takes the metric of the gym's task."""
    stands_for: str | None = None
    """CrossFit's task that this one asks in another form."""
    subjects: Mapping[str, tuple[str, ...]] | None = None
    """Group to subjects, where an input begins with its subject and a colon; else None."""

    def __post_init__(self) -> None:
        check_task_name(self.task, "a suite")
        for measure in (*self.own, *([self.crossfit] if self.crossfit else [])):
            check_metric(measure, MEASURES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """A named set of tasks that are scored together."""

    name: str
    description: str
    members: tuple[Member, ...]
    reference: str | None = None
    """Where the suite is defined."""
    notes: str | None = None
    """What a reader of its scores must know."""
    sources: tuple[str, ...] = ()
    """The tasks that a pool may learn from, where the suite is a partition of tasks."""


def subject_of(text: str) -> str:
    """Return the subject that an input begins with, where a task has subjects: up to the colon."""
    return text.partition(":")[0]


def load_suite_file(path: Path) -> Suite:
    """Return the suite of a YAML file.

    `tasks` is a list of names, or a mapping of names to their fields (those of `Member`).

    Raises:
        ConfigError: The file is damaged, a key is missing or unknown, or a value outside its
            contract.
    """
    where = f"suite {path.name}"
    try:
        content = load_yaml_mapping(path, where)
        check_keys(where, content, _SUITE_KEYS, {"name", "description", "tasks"})
        members = tuple(
            _member(where, task, fields) for task, fields in _tasks(where, content).items()
        )
        check_task_name(str(content["name"]), where)
    except GymError as error:
        raise ConfigError(str(error)) from error
    text = {key: _text(where, key, value) for key, value in content.items() if key != "tasks"}
    return Suite(
        name=text["name"],
        description=text["description"],
        members=members,
        reference=text.get("reference"),
        notes=text.get("notes"),
    )


def _tasks(where: str, content: Mapping[str, Any]) -> dict[str, Any]:
    value = content["tasks"]
    if isinstance(value, list) and value:
        names = [str(name) for name in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(
                f"{where}: a task must stand once in a suite, got {twice[0]!r} twice. Remove one."
            )
        return {name: {} for name in names}
    if isinstance(value, dict) and value:
        return value
    raise ConfigError(
        f"{where}: tasks must be a list of names, or a mapping of names to measures, got {value!r}."
        " Name at least one task."
    )


def _member(where: str, task: object, value: Any) -> Member:
    where = f"{where}, task {task!r}"
    fields = {} if value is None else value
    if not isinstance(fields, dict):
        raise ConfigError(
            f"{where}: the fields must be a mapping such as `own: [ACC]`, got {value!r}. Correct "
            "the task."
        )
    check_keys(where, fields, _MEMBER_KEYS, set())
    given = dict(fields)
    if "own" in given:
        given["own"] = _texts(where, "own", given["own"])
    for key in ("crossfit", "stands_for"):
        if key in given:
            given[key] = _text(where, key, given[key])
    if "subjects" in given:
        given["subjects"] = _subjects(where, given["subjects"])
    return Member(task=str(task), **given)


def _subjects(where: str, value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict) or not value:
        raise ConfigError(
            f"{where}: subjects must map each group to its subjects, got {value!r}. Correct it."
        )
    groups = {str(group): _texts(where, str(group), names) for group, names in value.items()}
    every = [name for names in groups.values() for name in names]
    if twice := sorted({name for name in every if every.count(name) > 1}):
        raise ConfigError(
            f"{where}: a subject must stand in one group, got {twice[0]!r} twice. Remove one."
        )
    return groups


def _texts(where: str, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{where}: {key} must be a list of texts, got {value!r}. Correct it.")
    return tuple(_text(where, key, item) for item in value)


def _text(where: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{where}: {key} must be a text, got {value!r}. Correct it.")
    return " ".join(value.split())
