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
ROW_COLUMNS = [
    "split", "file", "line", "num_fields", "is_utf8", "is_ended", "is_excused", "input", "output",
    "num_outputs", "label_fraction", "is_trained_on", "num_options", "matching_option",
]  # fmt: skip
"""num_fields counts the tab-separated fields of a line; input and output are null unless it is 2.

is_excused: the manifest lists the line as unreadable, because CrossFit's own file has it so.
"""

_NUM_COMPARISONS = 5

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
    rows = pd.DataFrame(lines, columns=ROW_COLUMNS[: len(ROW_COLUMNS) - _NUM_COMPARISONS])
    return RowTable(_with_comparisons(rows, task), twins)


def _lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def _parse(data: bytes, excused: Collection[int]) -> Iterator[tuple[object, ...]]:
    lines = _lines(data)
    for number, line in enumerate(lines, start=1):
        fields = line.split(b"\t")
        is_ended = number < len(lines) or data.endswith(b"\n")
        is_excused = number in excused
        try:
            texts = [field.decode() for field in fields]
        except UnicodeDecodeError:
            yield number, len(fields), False, is_ended, is_excused, None, None
            continue
        first, second = texts if len(texts) == 2 and not is_excused else (None, None)
        yield number, len(fields), True, is_ended, is_excused, first, second


def _with_comparisons(rows: pd.DataFrame, task: TaskRecord) -> pd.DataFrame:
    same_input = rows.groupby(["split", "input"])["output"]
    trained = rows.loc[rows["split"] != "test", "input"].dropna()
    options = [_options(text, output, task) for text, output in _pairs(rows)]
    return rows.assign(
        num_outputs=same_input.transform("nunique"),
        label_fraction=_label_fraction(rows, task.labels or ()),
        is_trained_on=rows["input"].isin(trained),
        num_options=pd.Series([number for number, _ in options], dtype=object, index=rows.index),
        matching_option=pd.Series([text for _, text in options], dtype=object, index=rows.index),
    )


def _label_fraction(rows: pd.DataFrame, labels: tuple[str, ...]) -> pd.Series:
    """Return the share of each row's label among its split's rows, null for other texts."""
    known = rows["output"].where(rows["output"].isin(labels))
    same_label = known.groupby([rows["split"], known]).transform("size")
    return same_label / known.groupby(rows["split"]).transform("count")


def _pairs(rows: pd.DataFrame) -> Iterable[tuple[object, object]]:
    return zip(rows["input"], rows["output"], strict=True)


def _options(text: object, output: object, task: TaskRecord) -> tuple[int | None, str | None]:
    """Return how many options a row offers and the one that its output names ("" for another)."""
    if task.options != "lettered" or not isinstance(text, str):
        return None, None
    try:
        _, options = parse_options(text)
    except ValueError:
        return 0, None
    return len(options), str(output) if output in options else ""
