"""All that is wrong with a `task.yaml` at once, by the schema `task.schema.json`.

The schema is for people, editors and `dpf gym check`; building a gym reads the file with the parser
of `incoming.py`. A test holds the two together.
"""

import json
import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from dpf_core.errors import GymError
from dpf_core.gym.incoming import KEYS, REQUIRED_KEYS, TASK_FILE, task_spec
from dpf_core.gym.records import Problem
from dpf_core.gym.task_spec import TaskSpec
from dpf_core.gym.yaml_file import Place, YamlError, YamlFile, load_plain_yaml
from dpf_core.naming import nearest

Fault = tuple[Place, str]
"""A value's place, and what is wrong with it."""
_SHAPES_ROWS = {"kind", "labels", "first_label", "options", "first_option", "input", "answer"}
_SHAPES_ROWS |= {"clean"}
_WHERE = re.compile(r"task '[^']*'(, task\.yaml|, split '\w+'|, file \S+)?(, row \d+)?: ")


@dataclass(frozen=True, slots=True)
class CheckedTask:
    """What a `task.yaml` says, and what is wrong with it."""

    problems: tuple[Problem, ...]
    spec: TaskSpec | None
    """By which rows can be checked; None where a key is wrong that says what a row means."""


def check_task_file(folder: Path) -> CheckedTask:
    """Return every problem of a folder's `task.yaml`, in the order of its lines."""
    try:
        file = load_plain_yaml(folder / TASK_FILE, f"task {folder.name!r}")
    except YamlError as error:
        return CheckedTask((Problem(TASK_FILE, error.line, without_place(error)),), None)
    faults = schema_faults(file.value)
    if not faults:
        try:
            return CheckedTask((), task_spec(folder, file.value))
        except GymError as error:
            message = without_place(error)
            faults = [((message.split(" ")[0],), message)]
    problems = [Problem(TASK_FILE, _line(file, place), message) for place, message in faults]
    problems.sort(key=lambda problem: problem.line or 0)
    return CheckedTask(tuple(problems), _spec_in_spite_of(folder, file.value, faults))


def schema_faults(value: Mapping[str, Any]) -> list[Fault]:
    """Return every way in which a mapping breaks the schema."""
    return list(dict.fromkeys(_faults(value)))


def _faults(value: Mapping[str, Any]) -> Iterator[Fault]:
    for error in _validator().iter_errors(value):
        place = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            for key in sorted(error.instance.keys() - error.schema["properties"].keys()):
                yield (*place, key), _unknown_key(key)
        elif error.validator == "required":
            for key in sorted(set(error.validator_value) - error.instance.keys()):
                yield place, f"{key} must be {_contract((key,))}, got none. Add the line."
        else:
            yield place, _wrong_value(place, error)


def schema() -> dict[str, Any]:
    """Return the JSON schema of `task.yaml`."""
    text = resources.files("dpf_core.gym").joinpath("task.schema.json").read_text("utf-8")
    return dict(json.loads(text))


def without_place(error: GymError) -> str:
    """Return a message without the task and split with which it begins."""
    return _WHERE.sub("", str(error), count=1)


@cache
def _validator() -> Any:
    base = jsonschema.Draft202012Validator
    whole = base.TYPE_CHECKER.redefine("integer", _is_whole)  # 16.0 is none for the parser either
    return jsonschema.validators.extend(base, type_checker=whole)(schema())


def _is_whole(_: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _unknown_key(key: str) -> str:
    return (
        f"every key must be one of {', '.join(sorted(KEYS))}, got {key!r}.{nearest(key, KEYS)} "
        "Remove or correct it."
    )


def _wrong_value(place: Place, error: jsonschema.ValidationError) -> str:
    value = error.instance
    choices = error.validator_value if error.validator == "enum" else ()
    hint = nearest(value, choices) if isinstance(value, str) else ""
    contract = f"one of {', '.join(choices)}" if choices else ""
    contract = contract or error.schema.get("description") or _contract(place)
    return f"{place[0]} must be {contract}, got {reprlib.repr(value)}.{hint} Correct the value."


def _contract(place: Place) -> str:
    return str(schema()["properties"][place[0]]["description"])


def _line(file: YamlFile, place: Place) -> int | None:
    """Return the line of a place, or that of the nearest one around it; None for the file."""
    while place and place not in file.lines:
        place = place[:-1]
    return file.lines.get(place)


def _spec_in_spite_of(
    folder: Path, value: Mapping[str, Any], faults: list[Fault]
) -> TaskSpec | None:
    """Return a specification for checking rows where only other things are wrong."""
    wrong = {place[0] for place, _ in faults if place}
    if wrong & _SHAPES_ROWS:
        return None
    unsaid = dict.fromkeys(REQUIRED_KEYS - {"kind"}, "unsaid")
    usable = {key: item for key, item in value.items() if key in KEYS and key not in wrong}
    try:
        return task_spec(folder, unsaid | usable | {"name": folder.name})
    except GymError:
        return None
