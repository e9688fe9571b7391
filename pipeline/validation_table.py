"""The gym as tables for Great Expectations: one of files, and one of rows for each task.

Unlike `dpf_core.gym.reader`, which stops at the first bad line, reading here keeps every line, good
or not, so that a report can name all of them. Columns that compare rows with each other (how many
outputs an input has, whether a test input is trained on) are computed here; what is allowed is said
in `pipeline.expectations`.
"""

import dataclasses
import hashlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pandas as pd

from dpf_core.files import sha256_file
from dpf_core.gym.reader import Manifest, TaskRecord, full_train_path, parse_options, split_path

FILE_COLUMNS = ["task", "split", "file", "rows", "sha256", "manifest_sha256"]
_LINE_COLUMNS = [
    "split", "file", "line", "num_fields", "is_utf8", "is_ended", "is_excused", "input", "output",
]  # fmt: skip
ROW_COLUMNS = [
    *_LINE_COLUMNS,
    "num_outputs", "is_trained_on", "num_labels", "label_fraction", "num_options",
    "matching_option",
]  # fmt: skip
"""A column is null in the rows that it says nothing about.

is_excused: The manifest lists the line as unreadable, because CrossFit's own file has it so.
num_fields: Tab-separated fields of a line that is not excused.
input, output: The text, where num_fields is 2.
num_outputs: Different outputs of the row's input in its split (WHOLE_SPLITS).
is_trained_on: Whether the input is also in another split than test (test).
num_labels: Different labels of the task in the row's file (full_train, train).
label_fraction: Share of the rows that have the row's label (full_train).
num_options, matching_option: Options of the input; the one that the output names, "" for none.
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


def file_table(gym: Path, manifest: Manifest) -> pd.DataFrame:
    """Return one row for each file that the manifest promises, columns FILE_COLUMNS.

    `rows` and `sha256` are null where the file is missing; `manifest_sha256` is the promise.
    """
    records = []
    for task in manifest.tasks:
        for split, path in split_files(gym, manifest, task):
            found = path.is_file()
            records.append(
                {
                    "task": task.name,
                    "split": split,
                    "file": path.name,
                    "rows": len(_lines(path.read_bytes())) if found else None,
                    "sha256": sha256_file(path) if found else None,
                    "manifest_sha256": task.files[path.name].sha256,
                }
            )
    return pd.DataFrame(records, columns=FILE_COLUMNS)


def row_table(gym: Path, manifest: Manifest, task: TaskRecord) -> RowTable:
    """Return every line of a task's files, each distinct content once, columns ROW_COLUMNS."""
    seen: dict[tuple[str, str], str] = {}
    twins: dict[str, tuple[str, ...]] = {}
    lines: list[tuple[object, ...]] = []
    for split, path in split_files(gym, manifest, task):
        data = path.read_bytes() if path.is_file() else b""
        digest = hashlib.sha256(data).hexdigest()
        first = seen.setdefault((split, digest), path.name)
        if first != path.name:
            twins[first] = (*twins.get(first, ()), path.name)
            continue
        excused = task.files[path.name].unreadable_lines
        lines.extend((split, path.name, *fields) for fields in _parse(data, excused))
    rows = pd.DataFrame(lines, columns=_LINE_COLUMNS)
    return RowTable(_with_comparisons(rows, task), twins)


def _lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def _parse(data: bytes, excused: Collection[int]) -> Iterator[tuple[object, ...]]:
    lines = _lines(data)
    for number, line in enumerate(lines, start=1):
        is_ended = number < len(lines) or data.endswith(b"\n")
        if number in excused:
            yield number, None, True, is_ended, True, None, None
            continue
        fields = line.split(b"\t")
        try:
            texts = [field.decode() for field in fields]
        except UnicodeDecodeError:
            yield number, len(fields), False, is_ended, False, None, None
            continue
        pair = texts if len(texts) == 2 else (None, None)
        yield number, len(fields), True, is_ended, False, *pair


def _with_comparisons(rows: pd.DataFrame, task: TaskRecord) -> pd.DataFrame:
    split = rows["split"]
    label = rows["output"].where(rows["output"].isin(task.labels or ()))
    num_outputs = rows.groupby(["split", "input"])["output"].transform("nunique")
    is_trained_on = rows["input"].isin(rows.loc[split != "test", "input"].dropna())
    num_labels = label.groupby(rows["file"]).transform("nunique")
    same_label = label.groupby([split, label]).transform("size")
    options = [_options(text, output, task) for text, output in _pairs(rows)]
    return rows.assign(
        num_outputs=num_outputs.where(split.isin(WHOLE_SPLITS)),
        is_trained_on=is_trained_on.astype(object).where(split == "test", None),
        num_labels=num_labels.where(split.isin(["full_train", "train"])),
        label_fraction=(same_label / (split == "full_train").sum()).where(split == "full_train"),
        num_options=pd.Series([number for number, _ in options], dtype=object, index=rows.index),
        matching_option=pd.Series([text for _, text in options], dtype=object, index=rows.index),
    )


def _pairs(rows: pd.DataFrame) -> Iterable[tuple[object, object]]:
    return zip(rows["input"], rows["output"], strict=True)


def _options(text: object, output: object, task: TaskRecord) -> tuple[int | None, str | None]:
    if task.options != "lettered" or not isinstance(text, str):
        return None, None
    try:
        _, options = parse_options(text)
    except ValueError:
        return 0, None
    return len(options), str(output) if output in options else ""
