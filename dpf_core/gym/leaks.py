"""Leaks between tasks: rows of one task that another task is trained on, word for word or nearly.

CrossFit's tasks share sources: a score on one can be remembered from the training rows of another.
For every pair of tasks this counts, among the target's test rows and among its few-shot rows, those
that all training rows of the source hold. What a near copy is, is said at `find_leaks`.

Every distinct row of the targets is kept as at most SKETCH_SIZE hashes; training rows are streamed
past them. Memory therefore grows with the test rows alone: about 400 bytes for each, however many
training rows there are.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from dpf_core.errors import ConfigError, GymError
from dpf_core.gym.leak_index import Found, LeakIndex, joined, sketch
from dpf_core.gym.leak_report import Leak, LeakReport, Overlap, order
from dpf_core.gym.manifest import Manifest, TaskRecord
from dpf_core.gym.reader import full_train_path, load_manifest, split_path
from dpf_core.gym.shingles import hash_texts

BLOCK_BYTES = 1 << 18
"""Input text hashed at once: small enough that the arrays stay in a core's cache."""
MAX_EXAMPLES = 3


def find_leaks(gym: Path, *, min_similarity: float = 0.8, jobs: int = 1) -> LeakReport:
    """Return every pair of tasks of which one is trained on rows of the other.

    A target's row leaks if its words are those of a training row of the source, or if one training
    row holds at least `min_similarity` of its word trigrams; case, punctuation and CrossFit's field
    marks aside. Of long rows a fixed sample of SKETCH_SIZE trigrams counts. Those that more than
    MAX_SHINGLE_ROWS samples hold are phrasing and are left out of them; a row of which fewer than
    MIN_SHINGLES remain leaks only word for word.

    Args:
        gym: A built gym.
        min_similarity: Share of a row's trigrams that make a near copy, in (0, 1].
        jobs: Processes that read training rows; the result is the same.

    Raises:
        ConfigError: `min_similarity` or `jobs` is outside its range.
        GymError: The gym is damaged.
    """
    _check(min_similarity, jobs)
    manifest = load_manifest(gym)
    scan = _Scan(gym, _Targets.read(gym, manifest), min_similarity)
    leaks: list[Leak] = []
    for source, found in zip(manifest.tasks, _each(scan, manifest, jobs), strict=True):
        leaks += scan.targets.leaks(source.name, found)
    return LeakReport(
        min_similarity=min_similarity,
        num_tasks=len(manifest.tasks),
        train_rows=sum(task.rows.full_train for task in manifest.tasks),
        target_rows=len(scan.targets.rows),
        leaks=tuple(sorted(leaks, key=order)),
    )


def input_blocks(path: Path, task: TaskRecord) -> Iterator[list[bytes]]:
    """Yield a file's inputs in blocks; an unreadable line of an official file is an empty text.

    Raises:
        GymError: The file cannot be read.
    """
    skipped = frozenset(task.files[path.name].unreadable_lines)
    block: list[bytes] = []
    size = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                block.append(b"" if number in skipped else line.partition(b"\t")[0])
                size += len(line)
                if size >= BLOCK_BYTES:
                    yield block
                    block, size = [], 0
    except OSError as error:
        raise GymError(
            f"task {task.name!r}, file {path.name}: the file must be readable, got "
            f"{error.strerror} ({path}). Build the gym again."
        ) from error
    yield block


@dataclass(frozen=True, slots=True)
class _Targets:
    """The rows that may leak, of all tasks in order: test, then few-shot."""

    names: tuple[str, ...]
    index: LeakIndex
    rows: np.ndarray[Any, np.dtype[np.int64]]
    """[R] distinct row in the index."""
    bounds: tuple[int, ...]
    """Where each part of each task starts in `rows`, and the end."""

    @classmethod
    def read(cls, gym: Path, manifest: Manifest) -> "_Targets":
        sketches, bounds = [], [0]
        for task in manifest.tasks:
            for paths in _target_files(gym, manifest, task):
                new = [sketch(hash_texts(b)) for path in paths for b in input_blocks(path, task)]
                sketches += new
                bounds.append(bounds[-1] + sum(len(one.whole) for one in new))
        index = LeakIndex.of(sketches)
        rows = index.rows_of(np.concatenate([one.whole for one in sketches]))
        return cls(tuple(task.name for task in manifest.tasks), index, rows, tuple(bounds))

    def leaks(self, source: str, found: Found) -> list[Leak]:
        """Return the leaks from one source into every other task."""
        lines = np.zeros(len(self.index.whole) + 1, dtype=np.int64)  # the last is for NO_WORDS
        lines[found.rows] = np.where(found.is_same, found.lines, -found.lines)
        hits = lines[self.rows]  # line of an equal text, minus that of a near one, or 0
        leaks = []
        for number, target in enumerate(self.names):
            start, middle, end = self.bounds[2 * number : 2 * number + 3]
            if target != source and hits[start:end].any():
                test = hits[start:middle]
                leaks.append(
                    Leak(
                        source=source,
                        target=target,
                        test=_overlap(test),
                        few_shot=_overlap(hits[middle:end]),
                        examples=tuple(
                            (int(row) + 1, abs(int(test[row])))
                            for row in np.flatnonzero(test)[:MAX_EXAMPLES]
                        ),
                    )
                )
        return leaks


@dataclass(frozen=True, slots=True)
class _Scan:
    """Reading the training rows of one task after another."""

    gym: Path
    targets: _Targets
    min_similarity: float

    def __call__(self, source: TaskRecord) -> Found:
        parts, line = [], 1
        for block in input_blocks(full_train_path(self.gym, source), source):
            found = self.targets.index.find(hash_texts(block), self.min_similarity)
            parts.append(Found(found.rows, found.lines + line, found.is_same))
            line += len(block)
        return joined(parts)


def _check(min_similarity: float, jobs: int) -> None:
    if not 0 < min_similarity <= 1:
        raise ConfigError(
            f"min_similarity must be a share above 0 and up to 1, got {min_similarity}. Use for "
            "instance 0.8."
        )
    if jobs < 1:
        raise ConfigError(f"jobs must be a whole number >= 1, got {jobs}. Use one for each core.")


def _target_files(gym: Path, manifest: Manifest, task: TaskRecord) -> tuple[list[Path], list[Path]]:
    few_shot = [
        split_path(gym, task, split, seed) for seed in manifest.seeds for split in ("train", "dev")
    ]
    return [split_path(gym, task, "test")], few_shot


def _overlap(hits: np.ndarray[Any, np.dtype[np.int64]]) -> Overlap:
    return Overlap(rows=len(hits), same=int((hits > 0).sum()), near=int((hits < 0).sum()))


def _each(scan: _Scan, manifest: Manifest, jobs: int) -> Iterator[Found]:
    if jobs == 1:
        yield from map(scan, manifest.tasks)
        return
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_start, initargs=(scan,)
    ) as pool:
        try:
            yield from pool.map(_run, manifest.tasks)
        except BrokenProcessPool as error:
            raise GymError(
                f"a process that looks for leaks must run to its end, got one that was killed "
                f"({jobs} jobs), as when memory runs out. Use fewer jobs."
            ) from error


def _start(scan: _Scan) -> None:
    _scan.append(scan)


def _run(source: TaskRecord) -> Found:
    return _scan[0](source)


_scan: list[_Scan] = []
