"""Texts as hashed runs of words, by which texts that say nearly the same can be found.

Many texts are hashed at once, with NumPy over their bytes. The hashes are fixed arithmetic on 64
bits: the same text has the same hash in every run and on every machine.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int64]

SHINGLE_WORDS = 3
"""Words of one shingle: fewer say little of a text, more do not survive a changed word."""

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that its powers can be undone
_INVERSE = np.uint64(pow(int(_BASE), -1, 1 << 64))
_START = 0xFF  # before each text; no byte of UTF-8
_IS_WORD = np.zeros(256, dtype=bool)
_IS_WORD[[*b"0123456789abcdefghijklmnopqrstuvwxyz", *range(0x80, _START)]] = True
_PUNCTUATION = re.compile("[\u00a0-\u00bf\u2000-\u206f\u3000-\u303f]")
_MARK = bytes([_START]) + b"[sep] "
_FIELD = re.compile(rb"\[sep\] (?:[a-z0-9_ ]{1,24}: )?")


@dataclass(frozen=True, slots=True)
class HashedTexts:
    """What is left of R texts: S shingles, and a hash of each whole text."""

    shingles: Hashes
    """[S] hash of each run of SHINGLE_WORDS words, in the order of the texts."""
    rows: Numbers
    """[S] the text that the shingle is of, from 0."""
    whole: Hashes
    """[R] hash of all words in order; 0 for a text without words."""


def hash_texts(texts: Sequence[bytes]) -> HashedTexts:
    """Return the hashes of texts in UTF-8.

    Words are runs of letters and digits. Case, punctuation, white space, forms of a character that
    Unicode holds for compatible, and CrossFit's field marks (`[SEP]`, and a name such as
    `premise: ` at the start of a field) make no difference.

    Example:
        >>> first, second = hash_texts([b"premise: A dog ran.", b"sentence 1: a DOG ran"]).whole
        >>> bool(first == second)
        True
    """
    data = np.frombuffer(_folded(texts), dtype=np.uint8)
    edges = np.diff(_IS_WORD[data].view(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    words = _span_hashes(data.astype(np.uint64), starts, ends)
    of_word = np.searchsorted(np.flatnonzero(data == _START), starts, side="left") - 1
    bounds = np.searchsorted(of_word, np.arange(len(texts) + 1))
    shingles, rows = _shingles(words, of_word)
    return HashedTexts(shingles, rows, _span_hashes(words, bounds[:-1], bounds[1:]))


def _folded(texts: Sequence[bytes]) -> bytes:
    """Return one buffer in lower case, in which a mark stands before each text."""
    lines = [text if text.isascii() else _fold(text) for text in texts]
    return _FIELD.sub(b" ", (_MARK + _MARK.join(lines)).lower()) if lines else b""


def _fold(text: bytes) -> bytes:
    folded = unicodedata.normalize("NFKC", text.decode(errors="replace")).lower()
    return _PUNCTUATION.sub(" ", folded).encode()


def _shingles(words: Hashes, of_word: Numbers) -> tuple[Hashes, Numbers]:
    count = max(len(words) - SHINGLE_WORDS + 1, 0)
    total = np.zeros(count, dtype=np.uint64)
    for place in range(SHINGLE_WORDS):  # rotated, so that the order of the words counts
        total = total * _BASE + words[place : place + count]
    last = of_word[SHINGLE_WORDS - 1 :] if count else of_word[:0]
    within = of_word[:count] == last
    return _mixed(total)[within], of_word[:count][within]


def _span_hashes(values: Hashes, starts: Numbers, ends: Numbers) -> Hashes:
    """Return the polynomial hash of values[start:end] for every span; 0 for an empty one."""
    powers, inverses = _powers(max(len(values), 1).bit_length())
    sums = np.zeros(len(values) + 1, dtype=np.uint64)
    np.cumsum(values * powers[: len(values)], out=sums[1:])
    return _mixed((sums[ends] - sums[starts]) * inverses[starts])


@lru_cache(maxsize=4)
def _powers(bits: int) -> tuple[Hashes, Hashes]:
    """Return the first 2**bits powers of the base, and of its inverse."""

    def powers(base: np.uint64) -> Hashes:
        factors = np.full(1 << bits, base, dtype=np.uint64)
        factors[0] = 1
        return np.cumprod(factors, dtype=np.uint64)

    return powers(_BASE), powers(_INVERSE)


def _mixed(values: Hashes) -> Hashes:
    """Return the values with their bits spread (the finaliser of SplitMix64); 0 stays 0."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
