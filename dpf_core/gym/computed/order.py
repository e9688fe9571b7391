"""Pairs of sentences whose order in the input is drawn."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

_DRAW_SEED = 42


def blimp_order(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `first`, `second` and `better`: 0 where the grammatical sentence is the first one."""
    return _drawn(rows, "sentence_good", "sentence_bad")


def crows_pairs_order(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `first`, `second` and `better`: 0 where the more stereotyping sentence is the first."""
    return _drawn(rows, "sent_more", "sent_less")


def _drawn(
    rows: Iterator[Mapping[str, Any]], better: str, worse: str
) -> Iterator[Mapping[str, Any]]:
    draw = np.random.RandomState(_DRAW_SEED)
    for row in rows:
        better_first = draw.random_sample() > 0.5
        first, second = (better, worse) if better_first else (worse, better)
        yield {**row, "first": row[first], "second": row[second], "better": int(not better_first)}
