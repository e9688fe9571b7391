"""The index of the leak detector: distinct rows as sorted hashes, and the lookup in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpf_core.gym.shingles import HashedTexts, Hashes, Numbers

SKETCH_SIZE = 32
"""Shingles kept of a row: those with the smallest hashes, which are a fair sample of all."""
MAX_SHINGLE_ROWS = 200
"""A shingle of more distinct rows than this is phrasing, not content, and is left out."""
MIN_SHINGLES = 5
"""Kept shingles (seven words at least) below which a row has no near copies, only equal ones."""

NO_WORDS = -1
_FILTER_BITS = 26


@dataclass(frozen=True, slots=True)
class Sketch:
    """What the index needs of some texts."""

    whole: Hashes
    """[R] hash of all words of each text, 0 for a text without words."""
    rows: NDArray[np.integer]
    """[S] the text that a kept shingle is of."""
    shingles: Hashes
    """[S] kept shingles."""


@dataclass(frozen=True, slots=True)
class Found:
    """The indexed rows that some texts hold, each once, in ascending order."""

    rows: Numbers
    """[F] distinct row."""
    lines: Numbers
    """[F] number of the first text that holds it; word for word if there is one."""
    is_same: NDArray[np.bool_]
    """[F] whether the text has the same words, and not only nearly so."""


@dataclass(frozen=True, slots=True)
class LeakIndex:
    """U distinct rows by the hash of their words, and the N distinct shingles of their sketches."""

    whole: Hashes
    """[U] ascending."""
    shingles: Hashes
    """[N] ascending."""
    bounds: Numbers
    """[N + 1] where each shingle's rows start in `shingle_rows`."""
    shingle_rows: NDArray[np.int32]
    """Rows by shingle."""
    sketch_sizes: Numbers
    """[U] shingles of each row that are in the index."""
    filter: NDArray[np.bool_]
    """Whether any shingle starts with these _FILTER_BITS bits: spares most of the searches."""

    @classmethod
    def of(cls, sketches: Sequence[Sketch]) -> "LeakIndex":
        """Return the index of all texts that have words."""
        whole = np.concatenate([sketch.whole for sketch in sketches])
        starts = np.cumsum([0, *(len(sketch.whole) for sketch in sketches)])
        rows = [sketch.rows + start for sketch, start in zip(sketches, starts, strict=False)]
        shingles = np.concatenate([sketch.shingles for sketch in sketches])
        distinct = np.unique(whole[whole != 0])
        return _index(distinct, _positions(distinct, whole)[np.concatenate(rows)], shingles)

    def rows_of(self, whole: Hashes) -> Numbers:
        """Return the distinct row of each hash; NO_WORDS where the index has none."""
        return _positions(self.whole, whole)

    def find(self, block: HashedTexts, min_similarity: float) -> Found:
        """Return the rows that some text of a block holds.

        Args:
            block: The texts.
            min_similarity: Smallest share of a row's kept shingles that one text must have.
        """
        same_text, same_row = _known(self.rows_of(block.whole))
        near_text, near_row = self._near(block, min_similarity)
        same = Found(same_row, same_text, np.ones(len(same_row), dtype=bool))
        near = Found(near_row, near_text, np.zeros(len(near_row), dtype=bool))
        return joined([same, near])

    def _near(self, block: HashedTexts, min_similarity: float) -> tuple[Numbers, Numbers]:
        maybe = self.filter[block.shingles >> np.uint64(64 - _FILTER_BITS)]
        found, place = _known(_positions(self.shingles, block.shingles[maybe]))
        text = block.rows[maybe][found]
        text, place = _unpacked(np.unique(text * len(self.shingles) + place), len(self.shingles))
        counts = self.bounds[place + 1] - self.bounds[place]
        starts = np.repeat(self.bounds[place] - np.cumsum(counts) + counts, counts)
        row = self.shingle_rows[starts + np.arange(counts.sum())]
        packed, shared = np.unique(
            np.repeat(text, counts) * len(self.whole) + row, return_counts=True
        )
        text, row = _unpacked(packed, len(self.whole))
        sizes = self.sketch_sizes[row]
        near = (sizes >= MIN_SHINGLES) & (shared >= min_similarity * sizes - 1e-9)
        return text[near], row[near]


def joined(parts: Sequence[Found]) -> Found:
    """Return each row once: with an equal text if there is one, else with the first near one."""
    rows = np.concatenate([part.rows for part in parts])
    lines = np.concatenate([part.lines for part in parts])
    is_same = np.concatenate([part.is_same for part in parts])
    order = np.lexsort((lines, ~is_same, rows))
    first = order[np.diff(rows[order], prepend=NO_WORDS) != 0]
    return Found(rows[first], lines[first], is_same[first])


def sketch(block: HashedTexts) -> Sketch:
    """Return a sketch of each text: its smallest SKETCH_SIZE distinct shingles."""
    order = np.lexsort((block.shingles, block.rows))
    rows, shingles = block.rows[order], block.shingles[order]
    distinct = _changes(rows, shingles)
    rows, shingles = rows[distinct], shingles[distinct]
    small = np.arange(len(rows)) - np.searchsorted(rows, rows) < SKETCH_SIZE
    return Sketch(block.whole, rows[small], shingles[small])


def _index(whole: Hashes, row: Numbers, shingles: Hashes) -> LeakIndex:
    order = np.lexsort((row, shingles))
    row, shingles = row[order], shingles[order]
    distinct = _changes(row, shingles)  # the same row in several files is one
    row, shingles = row[distinct], shingles[distinct]
    values, place, counts = np.unique(shingles, return_inverse=True, return_counts=True)
    telling = counts <= MAX_SHINGLE_ROWS
    kept, values, counts = row[telling[place]], values[telling], counts[telling]
    known = np.zeros(1 << _FILTER_BITS, dtype=bool)
    known[values >> np.uint64(64 - _FILTER_BITS)] = True
    return LeakIndex(
        whole=whole,
        shingles=values,
        bounds=np.concatenate([[0], np.cumsum(counts)]),
        shingle_rows=kept.astype(np.int32),
        sketch_sizes=np.bincount(kept, minlength=len(whole)),
        filter=known,
    )


def _positions(values: Hashes, wanted: Hashes) -> Numbers:
    """Return where each wanted value stands in ascending values; -1 where it does not."""
    if not len(values):
        return np.full(len(wanted), NO_WORDS)
    place = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    return np.where(values[place] == wanted, place, NO_WORDS)


def _known(places: Numbers) -> tuple[Numbers, Numbers]:
    known = np.flatnonzero(places != NO_WORDS)
    return known, places[known]


def _changes(*ordered: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where any of several equally ordered arrays differs from the place before."""
    changes = np.ones(len(ordered[0]), dtype=bool)
    changes[1:] = np.any([values[1:] != values[:-1] for values in ordered], axis=0)
    return changes


def _unpacked(packed: Numbers, size: int) -> tuple[Numbers, Numbers]:
    return np.divmod(packed, max(size, 1))
