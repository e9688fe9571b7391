"""The gates of the gym in words: what is demanded, how a fault reads, and its cure.

`pipeline.expectations` says how each is checked; nothing here imports Great Expectations.
"""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Gate:
    """The words for one property of the gym."""

    title: str
    """The property, as a heading."""
    fault: str
    """Continues "n of m rows ..."."""
    cure: str
    """What to do, an imperative sentence."""
    shows: str | None = None
    """The column whose values are the evidence (input, output, answer or num_fields), if any."""
    severity: str = "critical"


GATES: Mapping[str, Gate] = {
    "columns": Gate("Exact columns of the table", "have other columns", "Report this as a bug."),
    "file_present": Gate(
        "Every file is there", "is missing", "Build the gym again: `dvc repro --force ingest`."
    ),
    "file_not_empty": Gate(
        "No empty file",
        "has no rows",
        "Give the task rows for every split, or remove it from ingest.tasks.",
    ),
    "every_row": Gate(
        "Every row is checked",
        "has rows beyond the first that were checked one by one",
        "Raise validate.max_rows in params.yaml; leaks are looked for in all rows.",
        severity="warning",
    ),
    "file_unchanged": Gate(
        "Files are as ingest wrote them",
        "has other bytes than the manifest records",
        "Never edit data/gym: correct the source and run `dvc repro --force ingest`.",
    ),
    "two_columns": Gate(
        "Input and output in each line",
        "are not `input<TAB>output`",
        "Leave exactly one tab in each line; only free text may have further accepted answers.",
        "num_fields",
    ),
    "line_end": Gate(
        "Every line ends",
        "have no line feed at their end",
        "Add it if the row is whole; otherwise restore the file, which was cut short.",
    ),
    "utf8": Gate("UTF-8 text", "are not UTF-8", "Save the file as UTF-8."),
    "unreadable_line": Gate(
        "Lines of official files that are no row",
        "are left out: CrossFit's own file has an unescaped tab or line feed there",
        "Nothing to do; other readers of these files see broken rows.",
        severity="warning",
    ),
    "blank_text": Gate(
        "No blank text", "have no visible text", "Fill in the text or remove the rows."
    ),
    "nul_text": Gate("No NUL characters", "contain a NUL character", "Remove the NUL characters."),
    "known_label": Gate(
        "Only the task's labels",
        "have an output that is not a label of the task",
        "Correct the output, or declare the label in the task's specification.",
        "output",
    ),
    "label_in_train": Gate(
        "Every label is trained on",
        "lack a label",
        "Add training rows of the label, or remove it from the task's specification.",
    ),
    "label_balance": Gate(
        "Label balance",
        "belong to a rare label",
        "Expect a low macro-F1 for it, or collect more rows.",
        "output",
        severity="warning",
    ),
    "two_options": Gate(
        "At least two options a row",
        "offer fewer than two options",
        "Write the options as `question (A) first (B) second`.",
        "input",
    ),
    "answer_is_option": Gate(
        "The answer is one of the row's options",
        "have an output that is not one of their options",
        "Write the output exactly as one of the options.",
        "output",
    ),
    "equal_options": Gate(
        "Different options",
        "offer an option twice",
        "Remove the repeated option if the source is yours.",
        "input",
        severity="warning",
    ),
    "blank_answer": Gate(
        "No blank further answer",
        "have a further accepted answer without visible text",
        "Remove the blank answer: it would make an empty output right.",
    ),
    "repeated_answer": Gate(
        "Different accepted answers",
        "list an accepted answer twice",
        "Nothing to do for scores; `distinct_answers` in the specification removes doubles.",
        "input",
        severity="warning",
    ),
    "long_text": Gate(
        "Length",
        "are very long",
        "Check for lines glued together; a model reads only the start.",
        severity="warning",
    ),
    "duplicate_rows": Gate(
        "Duplicate rows",
        "repeat another row",
        "Remove repeats if they are not natural.",
        "input",
        severity="warning",
    ),
    "conflicting_rows": Gate(
        "Conflicting rows",
        "share their input with a row of another output",
        "Decide on one output for each input.",
        "input",
        severity="warning",
    ),
    "constant_answer": Gate(
        "No answer that is nearly always right",
        "have the same answer, so that giving it always scores as much",
        "Compare every score with this one, or read a score that weighs labels equally.",
        "answer",
        severity="warning",
    ),
    "test_overlap": Gate(
        "Test rows that are trained on",
        "have an input that is also in training rows",
        "Read the score with this in mind: these rows are partly remembered.",
        "input",
        severity="warning",
    ),
    "leak": Gate(
        "Test rows that other tasks are trained on",
        "are in the training rows of another task, word for word or nearly",
        "Keep the two tasks on one side of a transfer, and read a joint score with this in mind.",
        severity="warning",
    ),
}
