"""A task's specification: how rows of a source become CrossFit's (input, output) pairs.

Specifications are data (`specs/*.yaml`, a user's `task.yaml`); `rows.py` interprets them. Here are
their fields and the checks that need no rows.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dpf_core.errors import GymError
from dpf_core.gym.official import official_tasks
from dpf_core.gym.template import Template, check_cleanings
from dpf_core.gym.yaml_file import load_yaml_mapping
from dpf_core.naming import check_task_name, nearest

CLASSIFICATION = "classification"
MULTIPLE_CHOICE = "multiple_choice"
KINDS = (CLASSIFICATION, MULTIPLE_CHOICE)
METRICS = (
    "ACC",
    "Classification-F1",
    "EM",
    "Matthew-Correlation",
    "Pearson-Correlation",
    "QA-F1",
    "Rouge-L",
)
PROVENANCES = ("real", "generated")
DEFAULT_METRIC = {CLASSIFICATION: "Classification-F1", MULTIPLE_CHOICE: "ACC"}
DEFAULT_SHOTS = {CLASSIFICATION: 16, MULTIPLE_CHOICE: 32}
_PATH_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskSpec:
    """One task, as written in a specification file."""

    name: str
    kind: str
    """`classification` (outputs are labels) or `multiple_choice` (outputs are options)."""
    source_id: str
    source_config: str | None = None
    """Name of one configuration of the source; None is its only one."""
    train_split: str = "train"
    test_split: str | None = "validation"
    """The source's held-out split; None carves a fifth of train, shuffled with seed 42."""
    input: str
    """Template of the input, with the source's columns in braces."""
    clean: tuple[str, ...] = ()
    """Names from `template.CLEANINGS`, applied to the filled input in this order."""
    drop_blank: bool = False
    """Whether rows with an empty cleaned input are left out, and counted."""
    answer: str
    """Column of the label or right option: its number from 0, or its text."""
    labels: tuple[str, ...] = ()
    """Labels of a classification task, in the order of the source's numbers."""
    options: tuple[str, ...] = ()
    """Columns of the options, one text each or one column with a list. Empty for a multiple-choice
    task says that the input already holds lettered options."""
    label_texts: Mapping[str, str]
    """The words by which a label is described to a model, where its own text is a code."""
    metric: str
    shots: int
    """Few-shot rows of each label, or altogether where outputs are not labels."""
    category: str
    licence: str
    description: str
    provenance: str = "real"
    """`real` text from people, or `generated` by a program."""
    official: bool = False
    """Whether CrossFit publishes fingerprints of this very task."""

    @property
    def source_name(self) -> str:
        """The source's id with its configuration, such as `glue/sst2`."""
        return "/".join(part for part in (self.source_id, self.source_config) if part)

    @property
    def splits(self) -> tuple[str, ...]:
        """The source's splits that the task reads."""
        return tuple(split for split in (self.train_split, self.test_split) if split)

    @property
    def columns(self) -> tuple[str, ...]:
        """The source's columns that the task reads."""
        template = Template.parse(self.input, where=f"task {self.name!r}")
        return tuple(dict.fromkeys((*template.columns, *self.options, self.answer)))

    def __post_init__(self) -> None:
        where = f"task {self.name!r}"
        check_task_name(self.name, "a task specification")
        _check_choice(where, "kind", self.kind, KINDS)
        _check_choice(where, "metric", self.metric, METRICS)
        _check_choice(where, "provenance", self.provenance, PROVENANCES)
        for part in (self.source_id, self.source_config, *self.splits):
            _check_path_part(where, part)
        Template.parse(self.input, where=where)
        check_cleanings(self.clean, where)
        _check_labels(where, self)
        if self.shots < 1:
            raise GymError(f"{where}: shots must be >= 1, got {self.shots}. Use 16 or 32.")


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
    fact = official_tasks().get(name)
    if flat.get("official"):
        if fact is None:
            raise GymError(f"{where}: official must name a CrossFit task, got {name!r}. Remove it.")
        for key, value in (("metric", fact.metric), ("shots", fact.shots)):
            if key in flat:
                raise GymError(
                    f"{where}: {key} must not be written for an official task, got {flat[key]!r}. "
                    f"Remove the line: CrossFit's own value {value!r} is used."
                )
            flat[key] = value
    kind = str(flat.get("kind"))
    flat.setdefault("metric", DEFAULT_METRIC.get(kind, ""))
    flat.setdefault("shots", DEFAULT_SHOTS.get(kind, 0))
    flat.setdefault("label_texts", {})
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
                f"{nearest(key, known)} Remove or correct it."
            )
    if missing := sorted(required - given.keys()):
        raise GymError(
            f"{where}: {', '.join(missing)} must be given, got {', '.join(sorted(given))}. "
            f"Add the missing line{'s' if len(missing) > 1 else ''}."
        )


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


_TEXT = {"kind", "source_id", "train_split", "input", "answer", "metric"} | {
    "category",
    "licence",
    "description",
    "provenance",
}
_TEXT_OR_NONE = {"source_config", "test_split"}
_TEXTS = {"clean", "labels", "options"}
_FLAGS = {"drop_blank", "official"}
_OPTIONAL = {"source_config", "train_split", "test_split", "provenance"} | _TEXTS | _FLAGS


def _check_types(where: str, flat: dict[str, Any]) -> dict[str, Any]:
    known = {field.name for field in fields(TaskSpec)} - {"name"}
    check_keys(where, flat, known, known - _OPTIONAL)
    for key, value in flat.items():
        if not _has_type(key, value):
            raise GymError(
                f"{where}: {key} must be {_type_name(key)}, got {value!r}. "
                "Correct the value; quote words such as 'true', 'no' and numbers that mean text."
            )
        if key in _TEXTS:
            flat[key] = tuple(value)
    return flat


def _has_type(key: str, value: object) -> bool:
    if key in _FLAGS:
        return isinstance(value, bool)
    if key in _TEXTS:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if key == "label_texts":
        return isinstance(value, dict) and all(
            isinstance(item, str) for pair in value.items() for item in pair
        )
    if key == "shots":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str) or (value is None and key in _TEXT_OR_NONE)


def _type_name(key: str) -> str:
    names = {"label_texts": "a mapping of label to text", "shots": "a whole number"}
    names |= dict.fromkeys(_FLAGS, "true or false") | dict.fromkeys(_TEXTS, "a list of texts")
    return names.get(key, "a text")


def _as_mapping(where: str, what: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise GymError(
            f"{where}: {what} must be a mapping, got {value!r}. Write `key: value` lines."
        )
    return value


def _check_choice(where: str, field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise GymError(
            f"{where}: {field} must be one of {', '.join(choices)}, got {value!r}."
            f"{nearest(value, choices)} Correct it."
        )


def _check_path_part(where: str, part: str | None) -> None:
    if part is not None and (not _PATH_PART.fullmatch(part) or ".." in part):
        raise GymError(
            f"{where}: source ids, configurations and splits must be plain folder names, got "
            f"{part!r}. Remove slashes and '..'."
        )


def _check_labels(where: str, spec: TaskSpec) -> None:
    labels = spec.labels
    if (spec.kind == CLASSIFICATION) != bool(labels):
        raise GymError(
            f"{where}: labels must be listed for classification and for nothing else, got "
            f"{list(labels)} for {spec.kind}. Correct `kind` or `labels`."
        )
    if spec.options and spec.kind != MULTIPLE_CHOICE:
        raise GymError(
            f"{where}: options must be given for multiple_choice alone, got {list(spec.options)} "
            f"for {spec.kind}. Correct `kind` or remove `options`."
        )
    if labels and (len(set(labels)) < max(2, len(labels)) or not all(map(str.strip, labels))):
        raise GymError(
            f"{where}: labels must be two or more different, non-blank texts, got {list(labels)}. "
            "Remove doubles and blanks."
        )
    for label in spec.label_texts:
        if label not in labels:
            raise GymError(
                f"{where}: label_texts must describe labels of the task, got {label!r}."
                f"{nearest(label, labels)} Correct the label."
            )
