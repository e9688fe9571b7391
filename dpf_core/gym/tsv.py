"""CrossFit's file format: lines `input<TAB>output<LF>`, UTF-8, nothing escaped, no header.

Lines of free-text tasks may hold further accepted answers after the output, each after a tab.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from dpf_core.errors import GymError

BREAKS = "\t\n"
"""The characters that a text cannot hold."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as read, with its line number from 1."""

    input: str
    output: str
    line: int
    further: tuple[str, ...] = ()
    """Accepted answers besides the output."""

    @property
    def answers(self) -> tuple[str, ...]:
        """All accepted answers, the output first."""
        return (self.output, *self.further)


def read_rows(
    path: Path, *, task: str, skip_lines: Collection[int] = (), further_answers: bool = False
) -> list[Row]:
    """Return all rows of a file; see `iter_rows`."""
    rows = iter_rows(path, task=task, skip_lines=skip_lines, further_answers=further_answers)
    return list(rows)


def iter_rows(
    path: Path, *, task: str, skip_lines: Collection[int] = (), further_answers: bool = False
) -> Iterator[Row]:
    """Yield the rows of a file, one line in memory at a time.

    Args:
        path: The file.
        task: The task's name, for messages.
        skip_lines: Lines that the manifest lists as unreadable.
        further_answers: Whether lines may have more than two columns, as those of free text.

    Raises:
        GymError: The file cannot be read, a line is not UTF-8 or has not two columns, or the last
            line has no end, as after an interrupted copy.
    """
    where = f"task {task!r}, file {path.name}"
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if number not in skip_lines:
                    yield _parse(line, number, where, further_answers)
    except OSError as error:
        raise GymError(
            f"{where}: the file must be readable, got {error.strerror} ({path}). Build the gym "
            "again."
        ) from error


def _parse(line: bytes, number: int, where: str, further_answers: bool) -> Row:
    if not line.endswith(b"\n"):
        raise GymError(
            f"{where}, line {number}: every line must end with a line feed, got the end of "
            "the file. Add it if the row is whole; otherwise restore the file, which was cut short."
        )
    line = line[:-1]
    try:
        columns = line.decode().split("\t")
    except UnicodeDecodeError as error:
        raise GymError(
            f"{where}, line {number}: text must be UTF-8, got {line[:80]!r}. Save the file as "
            "UTF-8."
        ) from error
    if len(columns) < 2 or (len(columns) > 2 and not further_answers):
        raise GymError(
            f"{where}, line {number}: a row must be input<TAB>output, got {len(columns)} column"
            f"{'s' if len(columns) > 1 else ''} in {line[:80].decode(errors='replace')!r}. "
            "Correct the line."
        )
    return Row(columns[0], columns[1], number, tuple(columns[2:]))
