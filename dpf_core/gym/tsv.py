"""CrossFit's file format: lines `input<TAB>output<LF>`, UTF-8, nothing escaped, no header."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from dpf_core.errors import GymError


@dataclass(frozen=True, slots=True)
class Row:
    """One row as read, with its line number from 1."""

    input: str
    output: str
    line: int


def read_rows(path: Path, *, task: str, skip_lines: Collection[int] = ()) -> list[Row]:
    """Return all rows of a file.

    Args:
        path: The file.
        task: The task's name, for messages.
        skip_lines: Lines that the manifest lists as unreadable.

    Raises:
        GymError: The file cannot be read, a line is not UTF-8 or has not two columns, or the last
            line has no end, as after an interrupted copy.
    """
    where = f"task {task!r}, file {path.name}"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise GymError(
            f"{where}: the file must be readable, got {error.strerror} ({path}). Build the gym "
            "again."
        ) from error
    *lines, rest = data.split(b"\n")
    if rest:
        raise GymError(
            f"{where}, line {len(lines) + 1}: every line must end with a line feed, got the end of "
            "the file. Add it if the row is whole; otherwise restore the file, which was cut short."
        )
    return [
        _parse(line, number, where)
        for number, line in enumerate(lines, start=1)
        if number not in skip_lines
    ]


def encode_rows(rows: Iterable[tuple[str, str]], where: str) -> tuple[bytes, list[int]]:
    """Return the bytes of a file, and the numbers of the lines that `read_rows` cannot read.

    Raises:
        GymError: A text cannot be written as UTF-8.
    """
    chunks: list[str] = []
    unreadable: list[int] = []
    line = 1
    for number, (text, output) in enumerate(rows, start=1):
        chunks.append(f"{text}\t{output}\n")
        if not is_readable((text, output)):
            unreadable += range(line, line + chunks[-1].count("\n"))
        line += chunks[-1].count("\n")
        if not (text.isascii() and output.isascii()):
            _check_unicode(chunks[-1], f"{where}, row {number}")
    return "".join(chunks).encode(), unreadable


def is_readable(row: tuple[str, str]) -> bool:
    """Return whether the row survives writing and reading: no tab or line feed in a text."""
    return not any(mark in text for text in row for mark in "\t\n")


def _parse(line: bytes, number: int, where: str) -> Row:
    try:
        columns = line.decode().split("\t")
    except UnicodeDecodeError as error:
        raise GymError(
            f"{where}, line {number}: text must be UTF-8, got {line[:80]!r}. Save the file as "
            "UTF-8."
        ) from error
    if len(columns) != 2:
        raise GymError(
            f"{where}, line {number}: a row must be input<TAB>output, got {len(columns)} column"
            f"{'s' if len(columns) > 1 else ''} in {line[:80].decode(errors='replace')!r}. "
            "Correct the line."
        )
    return Row(columns[0], columns[1], number)


def _check_unicode(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise GymError(
            f"{where}: text must be valid Unicode, got {text[:80]!r} ({error.reason}). "
            "Correct or remove the row."
        ) from error
