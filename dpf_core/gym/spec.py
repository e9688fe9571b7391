"""Reading specifications from YAML, and refusing what a specification cannot mean."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from dpf_core.errors import GymError
from dpf_core.gym.official import official_tasks
from dpf_core.gym.task_spec import TaskSpec
from dpf_core.gym.terms import (
    CLASSIFICATION,
    DEFAULT_METRIC,
    DEFAULT_SHOTS,
    KINDS,
    METRICS,
    MULTIPLE_CHOICE,
    TEXT,
)
from dpf_core.gym.yaml_file import load_yaml_mapping
from dpf_core.naming import nearest

__all__ = [
    "CLASSIFICATION",
    "KINDS",
    "METRICS",
    "MULTIPLE_CHOICE",
    "TEXT",
    "TaskSpec",
    "check_keys",
    "load_specs",
    "spec_from_mapping",
]


def load_specs(path: Path) -> dict[str, TaskSpec]:
    """Return the tasks of a specification file by name.

    The file maps each task name to its fields. CrossFit's tasks take metric and shots from
    CrossFit's own table, so the file must not repeat them.

    Raises:
        GymError: The file is not YAML, or a field is missing, unknown or outside its contract.
    """
    content = load_yaml_mapping(path, f"task specifications {path.name}")
    return {name: spec_from_mapping(name, entry) for name, entry in content.items()}


def spec_from_mapping(name: str, entry: object) -> TaskSpec:
    """Return the specification of one task from its YAML mapping.

    `source: {id, config}` and `splits: {train, test}` are written nested; all other keys are the
    fields of `TaskSpec`.
    """
    where = f"task {name!r}"
    flat = _flatten(where, _as_mapping(where, "the specification", entry))
    if flat.get("official"):
        _take_official_facts(where, name, flat)
    kind = str(flat.get("kind"))
    flat.setdefault("metric", DEFAULT_METRIC.get(kind, ""))
    flat.setdefault("shots", DEFAULT_SHOTS.get(kind, 0))
    flat.setdefault("sampling", "per_label" if kind == CLASSIFICATION else "overall")
    for key in ("label_texts", "keep", "drop", "carve"):
        flat.setdefault(key, {})
    return TaskSpec(name=name, **_check_types(where, flat))


def check_keys(where: str, given: Mapping[str, Any], known: set[str], required: set[str]) -> None:
    """Refuse unknown keys, with the nearest known one, and missing required keys.

    Raises:
        GymError: A key is unknown or missing.
    """
    for key in given:
        if key not in known:
            raise GymError(
                f"{where}: every key must be one of {', '.join(sorted(known))}, got {key!r}."
                f"{nearest(str(key), known)} Remove or correct it."
            )
    if missing := sorted(required - given.keys()):
        found = ", ".join(sorted(map(str, given)))
        raise GymError(
            f"{where}: {', '.join(missing)} must be given, got {found}. "
            f"Add the missing line{'s' if len(missing) > 1 else ''}."
        )


def _take_official_facts(where: str, name: str, flat: dict[str, Any]) -> None:
    fact = official_tasks().get(name)
    if fact is None:
        raise GymError(f"{where}: official must name a CrossFit task, got {name!r}. Remove it.")
    for key, value in (("metric", fact.metric), ("shots", fact.shots)):
        if key in flat:
            raise GymError(
                f"{where}: {key} must not be written for an official task, got {flat[key]!r}. "
                f"Remove the line: CrossFit's own value {value!r} is used."
            )
        flat[key] = value


def _flatten(where: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    flat = dict(entry)
    if "source" in flat:
        source = _as_mapping(where, "source", flat.pop("source"))
        check_keys(f"{where}, source", source, {"id", "config"}, {"id"})
        flat |= {f"source_{key}": value for key, value in source.items()}
    if "splits" in flat:
        splits = _as_mapping(where, "splits", flat.pop("splits"))
        check_keys(f"{where}, splits", splits, {"train", "test"}, {"train"})
        flat |= {"train_split": splits["train"], "test_split": splits.get("test")}
    return flat


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_fraction(value: object) -> bool:
    return isinstance(value, float) or _is_whole(value)


def _is_text_map(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, (*value.keys(), *value.values())))


def _is_number_map(value: object) -> bool:
    return isinstance(value, dict) and all(
        _is_text(key) and _is_fraction(item) for key, item in value.items()
    )


def _is_values_map(value: object) -> bool:
    return isinstance(value, dict) and all(
        _is_text(key) and isinstance(items, list) and items for key, items in value.items()
    )


_TEXT = (_is_text, "a text")
_TEXT_OR_NONE = (_is_text_or_none, "a text")
_FLAG = (_is_flag, "true or false")
_TEXTS = (_is_texts, "a list of texts")
_WHOLE = (_is_whole, "a whole number")
_VALUES = (_is_values_map, "a mapping of field to a list of values")
_TYPES: Mapping[str, tuple[Callable[[object], bool], str]] = (
    dict.fromkeys(("drop_blank", "official", "order_unknown"), _FLAG)
    | dict.fromkeys(("clean", "labels", "options", "option_clean", "compute_columns"), _TEXTS)
    | dict.fromkeys(("shots", "first_label", "first_option"), _WHOLE)
    | dict.fromkeys(("keep", "drop"), _VALUES)
    | dict.fromkeys(("source_config", "test_split"), _TEXT_OR_NONE)
    | {
        "label_texts": (_is_text_map, "a mapping of label to text"),
        "carve": (_is_number_map, "a mapping of train, test_from, train_rows or test_rows"),
        "test_fraction": (_is_fraction, "a number"),
    }
)
_REQUIRED = {"kind", "source_id", "input", "answer", "category", "licence", "description"}


def _check_types(where: str, flat: dict[str, Any]) -> dict[str, Any]:
    known = {field.name for field in fields(TaskSpec)} - {"name"}
    check_keys(where, flat, known, _REQUIRED)
    return {key: _typed(where, key, value) for key, value in flat.items()}


def _typed(where: str, key: str, value: Any) -> Any:
    has_type, name = _TYPES.get(key, _TEXT)
    if not has_type(value):
        raise GymError(
            f"{where}: {key} must be {name}, got {value!r}. "
            "Correct the value; quote words such as 'true', 'no' and numbers that mean text."
        )
    if isinstance(value, list):
        return tuple(value)
    if key in ("keep", "drop"):
        return {field: tuple(values) for field, values in value.items()}
    return value


def _as_mapping(where: str, what: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise GymError(
            f"{where}: {what} must be a mapping, got {value!r}. Write `key: value` lines."
        )
    return value
