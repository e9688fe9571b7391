"""What the readers of a user's files have in common: rows, problems, and lines of bounded length.

A reader gives every record of its file back, as a row or as a problem, so nothing is lost unseen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from dpf_core.naming import nearest

MAX_RECORD_BYTES = 1 << 20
"""Longest record of a text file, so that a reader holds no more, whatever the file's length."""
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row as it stands in its file."""

    line: int
    """Its first line, from 1; in a parquet file the row's number, from 1."""
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file of a task."""

    file: str
    line: int | None
    """None where the whole file is meant."""
    message: str
    """What must be, what was got, and the cure."""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{place}: {self.message}"


Record = FileRow | Problem


def numbered_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield lines from number 1; of one that is too long only the beginning."""
    number = 0
    while line := stream.readline(MAX_RECORD_BYTES + 1):
        number += 1
        part = line
        while len(part) > MAX_RECORD_BYTES and not part.endswith(b"\n"):
            part = stream.readline(MAX_RECORD_BYTES + 1)
        yield number, line


def check_length(num_bytes: int) -> None:
    """Refuse a record that is longer than `MAX_RECORD_BYTES`.

    Raises:
        ValueError: It is.
    """
    if num_bytes > MAX_RECORD_BYTES:
        raise ValueError(
            f"a row must have at most {MAX_RECORD_BYTES:,} bytes, got more. Shorten it, or look "
            "for a line end or quote that is missing."
        )


def check_ended(line: bytes) -> None:
    """Refuse a line without its end, which is how a file that was cut short ends.

    Raises:
        ValueError: The line does not end with a line feed.
    """
    if not line.endswith(b"\n"):
        raise ValueError(
            "every line must end with a line feed, got the end of the file. Add it if the row is "
            "whole; otherwise restore the file, which was cut short."
        )


def decoded(line: bytes) -> str:
    """Return a line as text.

    Raises:
        ValueError: It is not UTF-8.
    """
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"text must be UTF-8, got {line[:_SHOWN]!r}. Save the file as UTF-8."
        ) from error


def shown(text: str) -> str:
    """Return the beginning of a text as a message quotes it."""
    return repr(text[:_SHOWN])


def missing_column(
    path: Path, wanted: Sequence[str], present: Sequence[str], line: int | None = None
) -> Problem | None:
    """Return the problem of a file or row that lacks a wanted column."""
    for column in wanted:
        if column not in present:
            return Problem(
                path.name,
                line,
                f"there must be a column {column!r}, got {_listed(present)}."
                f"{nearest(column, present)} Rename a column, or correct what task.yaml reads.",
            )
    return None


def _listed(names: Sequence[str]) -> str:
    more = len(names) - 20
    text = ", ".join(shown(name) for name in names[:20]) or "none"
    return f"{text} and {more} more" if more > 0 else text
