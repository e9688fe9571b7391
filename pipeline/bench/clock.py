"""Timing in turns, A B A B, so that whatever else the machine does meets every side alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from dpf_core.errors import ConfigError

MIN_REPEATS = 5
"""Medians of fewer turns are no figures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turns:
    """What each side took in each turn."""

    seconds: dict[str, list[float]]
    order: list[str]
    """Sides in the order in which they ran, without the warm-up."""

    def median(self, side: str) -> float:
        """Return the median seconds of a side's turns."""
        return median(self.seconds[side])

    def ratios(self, side: str, to: str) -> list[float]:
        """Return each turn's seconds of a side over those of another."""
        return [a / b for a, b in zip(self.seconds[side], self.seconds[to], strict=True)]


def alternate(
    sides: Mapping[str, Callable[[int], object]], *, repeats: int, warmup: int = 1
) -> Turns:
    """Run all sides in turn, `repeats` times, and return what they took.

    Args:
        sides: Name to work; it gets the number of the turn, from 0, the warm-up's included.
        repeats: Measured turns.
        warmup: Turns before them that do not count.
    """
    turns = Turns(seconds={side: [] for side in sides}, order=[])
    for turn in range(warmup + repeats):
        for side, work in sides.items():
            start = time.perf_counter()
            work(turn)
            seconds = time.perf_counter() - start
            if turn >= warmup:
                turns.seconds[side].append(seconds)
                turns.order.append(side)
    return turns


def check_repeats(repeats: int) -> None:
    """Return if there are as many turns as a median needs.

    Raises:
        ConfigError: There are fewer.
    """
    if repeats < MIN_REPEATS:
        raise ConfigError(
            f"--repeats must be >= {MIN_REPEATS}, got {repeats} (dpf bench). A median of fewer "
            "turns says nothing; measure more, or leave it out."
        )


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Return median, least and greatest of some measurements."""
    return {"median": median(values), "min": min(values), "max": max(values)}
