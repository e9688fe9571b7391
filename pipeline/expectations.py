"""What a valid gym is: Great Expectations suites, one function for each kind of table.

Each expectation belongs to a gate, named in its `meta`, which says in words what failed and what to
do. Severity critical stops the stage; severity warning is reported. Importing this module imports
great_expectations (seconds), so only the validate stage and its tests do.
"""

from collections.abc import Callable, Mapping
from typing import Any

import great_expectations as gx
from great_expectations import expectations as _exported
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.expectations.row_conditions import Column

from dpf_core.errors import GymError
from dpf_core.gym.reader import TaskRecord
from dpf_core.gym.terms import CLASSIFICATION, MULTIPLE_CHOICE, TEXT
from dpf_core.naming import nearest
from pipeline.validation_config import ValidateConfig
from pipeline.validation_gates import GATES
from pipeline.validation_table import FILE_COLUMNS, ROW_COLUMNS, WHOLE_SPLITS

gxe: Any = _exported  # re-exported without saying so, which strict typing refuses


def file_suite() -> gx.ExpectationSuite:
    """Return the suite of the file table: all files there, not empty, as recorded."""
    return gx.ExpectationSuite(
        name="files",
        expectations=[
            _gate("columns", gxe.ExpectTableColumnsToMatchOrderedList, column_list=FILE_COLUMNS),
            _gate("file_present", gxe.ExpectColumnValuesToNotBeNull, column="sha256"),
            _gate("file_not_empty", gxe.ExpectColumnValuesToBeBetween, column="rows", min_value=1),
            _gate(
                "every_row", gxe.ExpectColumnValuesToBeBetween, column="unchecked_rows", max_value=0
            ),
            _gate(
                "file_unchanged",
                gxe.ExpectColumnPairValuesToBeEqual,
                column_A="sha256",
                column_B="manifest_sha256",
                ignore_row_if="either_value_is_missing",
            ),
        ],
    )


def row_suite(task: TaskRecord, config: ValidateConfig) -> gx.ExpectationSuite:
    """Return the suite of a task's row table: the rules for all, and those of the task's kind.

    Args:
        task: The task's record in the manifest.
        config: The limits.

    Raises:
        GymError: No suite is known for the task's kind.
    """
    if task.kind not in SUITES:
        raise GymError(
            f"kind must be one of {', '.join(SUITES)}, got {task.kind!r} (task {task.name}, "
            f"manifest.json).{nearest(task.kind, SUITES)} Correct the task's specification."
        )
    of_kind = SUITES[task.kind](task, config)
    expectations = [*_structure(), *_text(config), *of_kind, *_rows(config)]
    if task.official:
        _warn_of_what_is_official(expectations)
    return gx.ExpectationSuite(name=task.name, expectations=expectations)


def _warn_of_what_is_official(expectations: list[Expectation]) -> None:
    for expectation in expectations:
        if (expectation.meta or {})["gate"] in OFFICIAL_AS_IT_IS:
            expectation.severity = FailureSeverity.WARNING


def _gate(name: str, expectation: Callable[..., Expectation], **fields: Any) -> Expectation:
    severity = fields.pop("severity", GATES[name].severity)
    return expectation(severity=severity, meta={"gate": name}, **fields)


def _structure() -> list[Expectation]:
    return [
        _gate("columns", gxe.ExpectTableColumnsToMatchOrderedList, column_list=ROW_COLUMNS),
        _gate("utf8", gxe.ExpectColumnValuesToBeInSet, column="is_utf8", value_set=[True]),
        _gate("line_end", gxe.ExpectColumnValuesToBeInSet, column="is_ended", value_set=[True]),
        _gate(
            "unreadable_line",
            gxe.ExpectColumnValuesToBeInSet,
            column="is_excused",
            value_set=[False],
        ),
    ]


def _text(config: ValidateConfig) -> list[Expectation]:
    expectations = []
    for column in ("input", "output"):
        expectations += [
            _gate("blank_text", gxe.ExpectColumnValuesToMatchRegex, column=column, regex=r"\S"),
            _gate("nul_text", gxe.ExpectColumnValuesToNotMatchRegex, column=column, regex="\x00"),
            _gate(
                "long_text",
                gxe.ExpectColumnValueLengthsToBeBetween,
                column=column,
                max_value=config.max_chars,
            ),
        ]
    return expectations


def _rows(config: ValidateConfig) -> list[Expectation]:
    expectations = [
        _gate(
            "test_overlap",
            gxe.ExpectColumnValuesToBeInSet,
            column="is_trained_on",
            value_set=[False],
            mostly=1 - config.warn_overlap_fraction,
        ),
        _gate(
            "constant_answer",
            gxe.ExpectColumnValuesToBeBetween,
            column="constant_fraction",
            max_value=config.warn_constant_fraction,
        ),
    ]
    return expectations + [
        _gate(
            "duplicate_rows",
            gxe.ExpectCompoundColumnsToBeUnique,
            column_list=["file", "input", "output"],
            ignore_row_if="any_value_is_missing",
            mostly=1 - config.warn_duplicate_fraction,
            row_condition=Column("split") == split,
        )
        for split in WHOLE_SPLITS  # shares of one: a small test would hide behind train
    ]


def _one_output(config: ValidateConfig) -> list[Expectation]:
    """Return the expectations of a kind in which an input has one right output."""
    return [
        _fields(most=2),
        _gate(
            "conflicting_rows",
            gxe.ExpectColumnValuesToBeBetween,
            column="num_outputs",
            max_value=1,
        ),
        *(
            _gate(
                "conflicting_rows",
                gxe.ExpectColumnValuesToBeBetween,
                severity="critical",
                column="num_outputs",
                max_value=1,
                mostly=1 - config.max_conflict_fraction,
                row_condition=Column("split") == split,
            )
            for split in WHOLE_SPLITS
        ),
    ]


def _fields(most: int | None) -> Expectation:
    return _gate(
        "two_columns",
        gxe.ExpectColumnValuesToBeBetween,
        column="num_fields",
        min_value=2,
        max_value=most,
    )


def _classification(task: TaskRecord, config: ValidateConfig) -> list[Expectation]:
    labels = list(task.labels or ())
    return [
        *_one_output(config),
        _gate("known_label", gxe.ExpectColumnValuesToBeInSet, column="output", value_set=labels),
        _gate(
            "label_in_train",
            gxe.ExpectColumnValuesToBeBetween,
            column="num_labels",
            min_value=len(labels),
        ),
        _gate(
            "label_balance",
            gxe.ExpectColumnValuesToBeBetween,
            column="label_fraction",
            min_value=config.min_label_fraction,
        ),
    ]


def _multiple_choice(task: TaskRecord, config: ValidateConfig) -> list[Expectation]:
    if task.options != "lettered":
        return _one_output(config)
    return [
        *_one_output(config),
        _gate("two_options", gxe.ExpectColumnValuesToBeBetween, column="num_options", min_value=2),
        _gate(
            "answer_is_option",
            gxe.ExpectColumnPairValuesToBeEqual,
            column_A="output",
            column_B="matching_option",
            ignore_row_if="either_value_is_missing",
        ),
        _gate(
            "equal_options",
            gxe.ExpectColumnValuesToBeBetween,
            column="num_equal_options",
            max_value=0,
        ),
    ]


def _free_text(_: TaskRecord, __: ValidateConfig) -> list[Expectation]:
    return [
        _fields(most=None),
        _gate(
            "blank_answer",
            gxe.ExpectColumnValuesToBeBetween,
            column="num_blank_answers",
            max_value=0,
        ),
        _gate(
            "repeated_answer",
            gxe.ExpectColumnValuesToBeBetween,
            column="num_repeated_answers",
            max_value=0,
        ),
    ]


SUITES: Mapping[str, Callable[[TaskRecord, ValidateConfig], list[Expectation]]] = {
    CLASSIFICATION: _classification,
    MULTIPLE_CHOICE: _multiple_choice,
    TEXT: _free_text,
}
"""Kind of task -> the expectations that only this kind has; a new kind is one entry here."""

OFFICIAL_AS_IT_IS = ("blank_text", "nul_text", "blank_answer", "conflicting_rows")
"""Gates that only warn of a task of CrossFit's: its files are kept byte for byte, faults included,
and none of these keeps a model from being trained and scored as CrossFit did."""
