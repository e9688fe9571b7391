"""A task's rows on disk while it is built, and the files that are made of them.

In memory are, for each row, where it starts and the number of its label; the text stays on disk.
"""

import hashlib
import os
from array import array
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import numpy as np

from dpf_core.errors import GymError
from dpf_core.gym.interpreter import Pair
from dpf_core.gym.manifest import FileRecord
from dpf_core.gym.options import reads_back
from dpf_core.gym.sampling import RowNumbers
from dpf_core.gym.tsv import BREAKS

_BUFFER_BYTES = 1 << 20
_UNSPLIT, _UNLETTERED = 1, 2
_REASONS = {
    _UNSPLIT: "tab or line end in a text",
    _UNLETTERED: "options that cannot be read back",
}


class FileWriter:
    """Writes the lines of one file, counts those that readers skip, and hashes the bytes.

    Use it in a `with closing(...)` block that ends with `finish`.
    """

    def __init__(self, path: Path) -> None:
        self._stream = path.open("wb", buffering=_BUFFER_BYTES)
        self._hashes = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._next_line = 1
        self._rows = 0
        self._unreadable: list[int] = []

    def add(self, line: bytes, readable: bool) -> None:
        """Write one row, which is several lines if it holds line ends."""
        breaks = 1 if readable else line.count(b"\n")
        if readable:
            self._rows += 1
        else:
            self._unreadable += range(self._next_line, self._next_line + breaks)
        self._next_line += breaks
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        if self._waiting_bytes >= _BUFFER_BYTES:
            self._flush()

    def finish(self) -> FileRecord:
        """Bring the file to the disk and return what the manifest says of it."""
        self._flush()
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self.close()
        md5, sha256 = self._hashes
        return FileRecord(
            md5=md5.hexdigest(),
            sha256=sha256.hexdigest(),
            rows=self._rows,
            unreadable_lines=tuple(self._unreadable),
        )

    def close(self) -> None:
        """Close the file, whole or not."""
        self._stream.close()

    def _flush(self) -> None:
        data = b"".join(self._waiting)
        for digest in self._hashes:
            digest.update(data)
        self._stream.write(data)
        self._waiting.clear()
        self._waiting_bytes = 0


class RowStore:
    """All rows of one split, in a file, in the source's order.

    Use it in a `with closing(...)` block: add all rows, `finish`, then write samples.

    Args:
        path: The file, in CrossFit's format.
        where: The task and split, for messages.
        labelled: Whether the outputs are numbered, as labels.
    """

    def __init__(self, path: Path, where: str, *, labelled: bool) -> None:
        self.path = path
        self._labels: array[int] | None = array("i") if labelled else None
        self._where = where
        self._writer = FileWriter(path)
        self._starts = array("Q", [0])
        self._numbers: dict[str, int] = {}
        self._reasons = bytearray()
        self._descriptor: int | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._starts) - 1

    @property
    def labels(self) -> RowNumbers | None:
        """The number of each row's output, if outputs are numbered."""
        return None if self._labels is None else np.frombuffer(self._labels, dtype=np.int32)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The different outputs, in the order of their first appearance, if they are numbered."""
        return tuple(self._numbers)

    def add(self, pair: Pair) -> None:
        """Append one row.

        Raises:
            GymError: A text cannot be written as UTF-8.
        """
        text = f"{pair.input}\t{pair.output}\n"
        try:
            line = text.encode()
        except UnicodeEncodeError as error:
            raise GymError(
                f"{self._where}, row {len(self) + 1}: text must be valid Unicode, got "
                f"{text[:80]!r} ({error.reason}). Correct or remove the row."
            ) from error
        self._reasons.append(_why_unreadable(pair))
        self._writer.add(line, not self._reasons[-1])
        self._starts.append(self._starts[-1] + len(line))
        if self._labels is not None:
            self._labels.append(self._numbers.setdefault(pair.output, len(self._numbers)))

    def finish(self) -> FileRecord:
        """End writing and return what the manifest says of the file; now rows can be read."""
        return self._writer.finish()

    def write(self, path: Path, rows: Iterable[int]) -> FileRecord:
        """Write the rows of these numbers to another file."""
        with closing(FileWriter(path)) as writer:
            for row in rows:
                writer.add(self._read(row), not self._reasons[row])
            return writer.finish()

    def dropped(self, rows: Iterable[int] | None = None) -> dict[str, int]:
        """Count the rows that no reader sees by reason, of all rows or of these."""
        reasons = self._reasons if rows is None else bytes(self._reasons[row] for row in rows)
        return {why: n for code, why in _REASONS.items() if (n := reasons.count(code))}

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _read(self, row: int) -> bytes:
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDONLY)
        start, end = self._starts[row], self._starts[row + 1]
        return os.pread(self._descriptor, end - start, start)


def _why_unreadable(pair: Pair) -> int:
    """Return 0 if every reader gives the row back as it is, otherwise a key of `_REASONS`."""
    if any(mark in text for text in (pair.input, *pair.answers) for mark in BREAKS):
        return _UNSPLIT
    if not reads_back(pair.input, pair.options):
        return _UNLETTERED
    return 0
