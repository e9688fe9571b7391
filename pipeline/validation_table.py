"""The gym as tables for Great Expectations: one of files, and one of rows for each task.

Unlike `dpf_core.gym.reader`, which stops at the first bad line, reading here keeps every line, good
or not, so that a report can name all of them. Columns that compare rows with each other (how many
outputs an input has, whether a test input is trained on) are computed here; what is allowed is said
in `pipeline.expectations`.
"""

import dataclasses
import string
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from dpf_core.files import sha256_file
from dpf_core.gym.reader import Manifest, TaskRecord, full_train_path, parse_options, split_path
from dpf_core.gym.terms import TEXT

FILE_COLUMNS = [
    "task", "split", "file", "rows", "unchecked_rows", "sha256", "manifest_sha256",
]  # fmt: skip
_LINE_COLUMNS = [
    "split", "file", "line", "num_fields", "is_utf8", "is_ended", "is_excused", "input", "output",
    "num_blank_answers", "num_repeated_answers",
]  # fmt: skip
_OPTION_COLUMNS = ["num_options", "num_equal_options", "matching_option", "option_name"]
ROW_COLUMNS = [
    *_LINE_COLUMNS, *_OPTION_COLUMNS,
    "answer", "constant_fraction", "num_outputs", "is_trained_on", "num_labels", "label_fraction",
]  # fmt: skip
"""A column is null in the rows that it says nothing about.

is_excused: The manifest lists the line as unreadable, because CrossFit's own file has it so.
num_fields: Tab-separated fields of a line that is not excused.
input, output: The texts of a whole row; of several accepted answers the first.
num_blank_answers, num_repeated_answers: Among the accepted answers of a row (kind text).
num_options, num_equal_options: Options of the input, and those that repeat another one.
matching_option, option_name: The option that the output names, "" for none; "option A" and so on.
answer, constant_fraction: The option's name, or the output; share of the rows that have it (test).
num_outputs: Different outputs of the row's input in its split (WHOLE_SPLITS).
is_trained_on: Whether the input is also in another split than test (test).
num_labels: Different labels of the task in the row's file, if it is read whole (full_train, train).
label_fraction: Share of the rows that have the row's label (full_train).
"""

WHOLE_SPLITS = ("full_train", "test")
"""The splits that hold all rows; `train` and `dev` are samples of full_train."""


@dataclasses.dataclass(frozen=True)
class RowTable:
    """The rows of one task, and the files whose bytes repeat another file's."""

    rows: pd.DataFrame
    """One line a row, columns ROW_COLUMNS."""
    twins: dict[str, tuple[str, ...]]
    """File in the table -> files with the same bytes, read once (CrossFit repeats test a seed)."""


def split_files(gym: Path, manifest: Manifest, task: TaskRecord) -> Iterator[tuple[str, Path]]:
    """Yield (split, path) of every file that a task must have, full_train first."""
    yield "full_train", full_train_path(gym, task)
    for split in ("test", "train", "dev"):
        for seed in manifest.seeds:
            yield split, split_path(gym, task, split, seed)


def file_table(gym: Path, manifest: Manifest, task: TaskRecord, max_rows: int) -> pd.DataFrame:
    """Return one row for each file that the manifest promises, columns FILE_COLUMNS.

    `rows` and `sha256` are null where the file is missing; `manifest_sha256` is the promise, and
    `unchecked_rows` are those that the row table leaves out.
    """
    records = []
    for split, path in split_files(gym, manifest, task):
        found = path.is_file()
        rows = _count_lines(path) if found else None
        records.append(
            {
                "task": task.name,
                "split": split,
                "file": path.name,
                "rows": rows,
                "unchecked_rows": max((rows or 0) - max_rows, 0),
                "sha256": sha256_file(path) if found else None,
                "manifest_sha256": task.files[path.name].sha256,
            }
        )
    return pd.DataFrame(records, columns=FILE_COLUMNS)


def row_table(gym: Path, manifest: Manifest, task: TaskRecord, max_rows: int) -> RowTable:
    """Return the first lines of a task's files, each distinct content once, columns ROW_COLUMNS."""
    seen: dict[tuple[str, str], str] = {}
    twins: dict[str, tuple[str, ...]] = {}
    lines: list[tuple[object, ...]] = []
    for split, path in split_files(gym, manifest, task):
        if not path.is_file():
            continue
        first = seen.setdefault((split, sha256_file(path)), path.name)
        if first != path.name:
            twins[first] = (*twins.get(first, ()), path.name)
            continue
        excused = task.files[path.name].unreadable_lines
        parsed = _parse(path, max_rows, excused, task.kind == TEXT)
        lines.extend((split, path.name, *fields) for fields in parsed)
    rows = pd.DataFrame(lines, columns=_LINE_COLUMNS)
    return RowTable(_with_comparisons(rows, task, max_rows), twins)


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _parse(
    path: Path, max_rows: int, excused: Collection[int], is_text: bool
) -> Iterator[tuple[object, ...]]:
    with path.open("rb") as file:
        for number, line in enumerate(islice(file, max_rows), start=1):
            is_ended = line.endswith(b"\n")
            if number in excused:
                yield number, None, True, is_ended, True, *_NO_TEXTS
                continue
            fields = line.removesuffix(b"\n").split(b"\t")
            try:
                texts = [field.decode() for field in fields]
            except UnicodeDecodeError:
                yield number, len(fields), False, is_ended, False, *_NO_TEXTS
                continue
            yield number, len(fields), True, is_ended, False, *_texts(texts, is_text)


_NO_TEXTS = (None, None, None, None)


def _texts(texts: list[str], is_text: bool) -> tuple[object, ...]:
    """Return input, output, and what is wrong with the accepted answers."""
    if len(texts) < 2 or (len(texts) > 2 and not is_text):
        return _NO_TEXTS
    answers = texts[1:]
    if not is_text:
        return *texts, None, None
    blank = sum(not answer.strip() for answer in answers[1:])  # a blank output has its own gate
    return texts[0], answers[0], blank, len(answers) - len(set(answers))


def _with_comparisons(rows: pd.DataFrame, task: TaskRecord, max_rows: int) -> pd.DataFrame:
    options = [_options(text, output, task) for text, output in _pairs(rows)]
    rows = rows.assign(
        **{
            name: pd.Series([found[place] for found in options], dtype=object, index=rows.index)
            for place, name in enumerate(_OPTION_COLUMNS)
        }
    )
    split = rows["split"]
    label = rows["output"].where(rows["output"].isin(task.labels or ()))
    num_outputs = rows.groupby(["split", "input"])["output"].transform("nunique")
    is_trained_on = rows["input"].isin(rows.loc[split != "test", "input"].dropna())
    num_labels = label.groupby(rows["file"]).transform("nunique")
    is_whole = rows["file"].map(rows["file"].value_counts()) < max_rows
    answer = rows["option_name" if task.options == "lettered" else "output"]
    answer = answer.where(split == "test")
    return rows.assign(
        answer=answer,
        constant_fraction=_shares(answer),
        num_outputs=num_outputs.where(split.isin(WHOLE_SPLITS)),
        is_trained_on=is_trained_on.astype(object).where(split == "test", None),
        num_labels=num_labels.where(split.isin(["full_train", "train"]) & is_whole),
        label_fraction=_shares(label.where(split == "full_train")),
    )


def _shares(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return for each value that is there its share of all that are."""
    return values.map(values.value_counts(normalize=True))


def _pairs(rows: pd.DataFrame) -> Iterable[tuple[object, object]]:
    return zip(rows["input"], rows["output"], strict=True)


def _options(text: object, output: object, task: TaskRecord) -> tuple[object, ...]:
    """Return the values of _OPTION_COLUMNS for one row."""
    if task.options != "lettered" or not isinstance(text, str):
        return None, None, None, None
    try:
        _, options = parse_options(text)
    except ValueError:
        return 0, None, None, None
    equal = len(options) - len(set(options))
    if output not in options:
        return len(options), equal, "", None
    name = f"option {string.ascii_uppercase[options.index(output)]}"
    return len(options), equal, output, name
