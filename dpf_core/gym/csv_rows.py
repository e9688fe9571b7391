"""Records of a CSV file: comma-separated, quoted by `"`, with a header that names the columns.

A byte order mark and Windows line ends, as spreadsheets write them, are no part of the data.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dpf_core.gym.records import (
    FileRow,
    Problem,
    Record,
    check_ended,
    check_length,
    decoded,
    missing_column,
    numbered_lines,
    shown,
)

_BOM = b"\xef\xbb\xbf"


def read_csv(path: Path, columns: tuple[str, ...]) -> Iterator[Record]:
    """Yield the records of a CSV file, each with the wanted columns.

    A cell has at most 131,072 characters, the limit of Python's own reader.
    """
    with path.open("rb") as stream:
        records = _records(stream, path.name)
        header = next(records, (1, []))
        if isinstance(header, Problem):
            yield header
            return
        names = header[1]
        if problem := _header_problem(path, names, columns):
            yield problem
            return
        for record in records:
            yield record if isinstance(record, Problem) else _row(path, record, names, columns)


def _row(
    path: Path, record: tuple[int, list[str]], names: list[str], columns: tuple[str, ...]
) -> Record:
    line, cells = record
    if len(cells) != len(names):
        got = ", ".join(map(shown, cells[:3])) or "an empty line"
        return Problem(
            path.name,
            line,
            f"a row must have {len(names)} cells, as the header has, got {len(cells)} ({got}). "
            "Quote cells that hold a comma, a quote or a line end.",
        )
    values = dict(zip(names, cells, strict=True))
    return FileRow(line, {column: values[column] for column in columns})


def _header_problem(path: Path, names: list[str], columns: tuple[str, ...]) -> Problem | None:
    if problem := missing_column(path, columns, names, line=1):
        return problem
    if twice := [name for name in names if names.count(name) > 1]:
        return Problem(
            path.name,
            1,
            f"column names must differ, got {shown(twice[0])} {names.count(twice[0])} times. "
            "Rename one of them.",
        )
    return None


def _records(stream: BinaryIO, file: str) -> Iterator[tuple[int, list[str]] | Problem]:
    """Yield the cells of each record with its first line; after a problem go on behind it."""
    lines = _Lines(stream)
    reader = csv.reader(lines, strict=True)
    while True:
        first = lines.begin_record()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Problem(file, first, _reason(error))
        except ValueError as error:
            yield Problem(file, first, str(error))
        else:
            if cells is None:
                return
            yield first, cells


def _reason(error: csv.Error) -> str:
    reason = str(error)
    if "unexpected end of data" in reason:
        reason = "a quoted cell that is still open at the end of the file"
    return (
        f"a row must be comma-separated cells in double quotes where needed, got: {reason}. "
        'Write a quote inside a cell twice (""), and close every quote.'
    )


class _Lines:
    """The lines of a CSV file, as an iterator that goes on after it has raised."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = numbered_lines(stream)
        self._number = 0
        self._num_bytes = 0

    def begin_record(self) -> int:
        """Return the number of the line that comes next, with which a record begins."""
        self._num_bytes = 0
        return self._number + 1

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        self._number, line = next(self._lines)
        if self._number == 1:
            line = line.removeprefix(_BOM)
        self._num_bytes += len(line)
        check_length(self._num_bytes)
        check_ended(line)
        return decoded(line)
