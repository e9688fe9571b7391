"""Checks of a specification that need no rows: names, ranges, and fields that fit each other."""

import re
from math import isfinite
from typing import TYPE_CHECKING

from dpf_core.errors import GymError
from dpf_core.gym.fields import Field
from dpf_core.gym.template import Template, check_cleanings
from dpf_core.gym.terms import (
    ANSWER_FORMS,
    ANSWER_ORDERS,
    CLASSIFICATION,
    KINDS,
    METRICS,
    MULTIPLE_CHOICE,
    OPTIONS_MARK,
    PROVENANCES,
    SAMPLINGS,
    TEXT,
)
from dpf_core.naming import check_task_name, nearest

if TYPE_CHECKING:
    from dpf_core.gym.task_spec import TaskSpec

_PATH_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CARVES = ({"train"}, {"train", "test_from"}, {"train_rows", "test_rows"})


def check_spec(spec: "TaskSpec") -> None:
    """Refuse a specification whose fields are outside their contract.

    Raises:
        GymError: The task, the field, its value and the cure.
    """
    where = f"task {spec.name!r}"
    check_task_name(spec.name, "a task specification")
    for field, choices in _CHOICES.items():
        if (value := getattr(spec, field)) is not None:
            check_choice(where, field, value, choices)
    for part in (spec.source_id, spec.source_config, *spec.splits):
        _check_path_part(where, part)
    _check_texts(where, spec)
    _check_labels(where, spec)
    _check_options(where, spec)
    _check_answers(where, spec)
    _check_rows(where, spec)
    if spec.shots < 1:
        raise GymError(f"{where}: shots must be >= 1, got {spec.shots}. Use 16 or 32.")


_CHOICES = {
    "kind": KINDS,
    "metric": METRICS,
    "provenance": PROVENANCES,
    "sampling": SAMPLINGS,
    "answer_form": ANSWER_FORMS,
    "distinct_answers": ANSWER_ORDERS,
}


def check_choice(where: str, field: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not one of a field's choices, with the nearest one.

    Raises:
        GymError: The value is none of the choices.
    """
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


def _check_texts(where: str, spec: "TaskSpec") -> None:
    Template.parse(spec.input, where=where)
    for field in spec.fields:
        Field.parse(field, where=where)
    check_cleanings(spec.clean, where)
    check_cleanings(spec.option_clean, where)
    if set(Template.parse(spec.option_style, where=where).columns) != {"letter", "text"}:
        raise GymError(
            f"{where}: option_style must hold {{letter}} and {{text}}, got {spec.option_style!r}. "
            "Write for instance ' ({letter}) {text}'."
        )


def _check_labels(where: str, spec: "TaskSpec") -> None:
    labels = spec.labels
    if (spec.kind == CLASSIFICATION) != bool(labels):
        raise GymError(
            f"{where}: labels must be listed for classification and for nothing else, got "
            f"{list(labels)} for {spec.kind}. Correct `kind` or `labels`."
        )
    stripped = set(map(str.strip, labels))  # as answers are compared
    if labels and (len(stripped) < max(2, len(labels)) or "" in stripped):
        raise GymError(
            f"{where}: labels must be two or more different, non-blank texts, got {list(labels)}. "
            "Remove doubles and blanks."
        )
    lower = set(map(str.lower, labels))
    if spec.metric == "ACC" and not spec.official and len(lower) < len(labels):
        raise GymError(
            f"{where}: labels must differ in more than upper and lower case, which ACC does not "
            f"tell apart, got {list(labels)}. Take Classification-F1."
        )
    if labels and spec.metric == "Matthew-Correlation" and "acceptable" not in labels:
        raise GymError(
            f"{where}: labels must hold 'acceptable', of which Matthew-Correlation is CrossFit's "
            f"correlation, got {list(labels)}. Rename the label that is meant, or take "
            "Classification-F1."
        )
    if labels and spec.metric == "Pearson-Correlation" and not all(map(_is_number, labels)):
        raise GymError(
            f"{where}: labels must be numbers where the metric is Pearson-Correlation, got "
            f"{list(labels)}. Take Classification-F1."
        )
    for label in spec.label_texts:
        if label not in labels:
            raise GymError(
                f"{where}: label_texts must describe labels of the task, got {label!r}."
                f"{nearest(label, labels)} Correct the label."
            )


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _check_options(where: str, spec: "TaskSpec") -> None:
    if spec.options and spec.kind == CLASSIFICATION:
        raise GymError(
            f"{where}: options must be given for multiple_choice or text alone, got "
            f"{list(spec.options)} for {spec.kind}. Correct `kind` or remove `options`."
        )
    marks = Template.parse(spec.input, where=where).parts
    if spec.options and sum(f is not None and f.path == (OPTIONS_MARK,) for _, f in marks) > 1:
        raise GymError(
            f"{where}: {{{OPTIONS_MARK}}} must stand once in input, got {spec.input!r}. Remove one."
        )


def _check_answers(where: str, spec: "TaskSpec") -> None:
    for field, kind in _ONLY_FOR.items():
        if getattr(spec, field) and spec.kind != kind:
            raise GymError(
                f"{where}: {field} must be given for {kind} alone, got {getattr(spec, field)!r} "
                f"for {spec.kind}. Correct `kind` or remove `{field}`."
            )


_ONLY_FOR = {
    "distinct_answers": TEXT,
    "order_unknown": TEXT,
    "answer_form": MULTIPLE_CHOICE,
    "first_option": MULTIPLE_CHOICE,
    "first_label": CLASSIFICATION,
}


def _check_rows(where: str, spec: "TaskSpec") -> None:
    if spec.carve and (spec.test_split is not None or set(spec.carve) not in _CARVES):
        raise GymError(
            f"{where}: carve must be {{train}}, {{train, test_from}} or {{train_rows, test_rows}} "
            f"of a task without a test split, got {dict(spec.carve)} with test split "
            f"{spec.test_split!r}. Correct `carve` or `splits`."
        )
    if spec.test_fraction is not None and (
        spec.test_split is None or not 0 < spec.test_fraction <= 1
    ):
        raise GymError(
            f"{where}: test_fraction must be in (0, 1] and of a test split, got "
            f"{spec.test_fraction} with test split {spec.test_split!r}. Correct or remove it."
        )
    if (spec.compute is None) != (not spec.compute_columns):
        raise GymError(
            f"{where}: compute and compute_columns must be given together, got {spec.compute!r} "
            f"and {list(spec.compute_columns)}. Name the source's columns that are read."
        )
