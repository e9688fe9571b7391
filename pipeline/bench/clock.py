"""Timing in turns, A B A B, so that whatever else the machine does meets every side alike."""

import resource
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
    cpu_seconds: dict[str, list[float]]
    """Processor time of this process and those that it ended, in each turn, all threads together.
    Other processes disturb it less; threads that wait for each other count too."""
    order: list[str]
    """Sides in the order in which they ran, without the warm-up."""

    @classmethod
    def empty(cls, *sides: str) -> "Turns":
        """Return turns of these sides before the first."""
        return cls(
            seconds={side: [] for side in sides},
            cpu_seconds={side: [] for side in sides},
            order=[],
        )

    def note(self, side: str, stopwatch: "Stopwatch") -> None:
        """Add a side's turn, from the stopwatch's start until now."""
        seconds, cpu_seconds = stopwatch.read()
        self.seconds[side].append(seconds)
        self.cpu_seconds[side].append(cpu_seconds)
        self.order.append(side)

    def median(self, side: str) -> float:
        """Return the median seconds of a side's turns."""
        return median(self.seconds[side])

    def ratios(self, side: str, to: str) -> list[float]:
        """Return each turn's seconds of a side over those of another."""
        return [a / b for a, b in zip(self.seconds[side], self.seconds[to], strict=True)]

    def cpu_ratio(self, side: str, to: str) -> float:
        """Return the median over the turns of the same ratio of processor time."""
        pairs = zip(self.cpu_seconds[side], self.cpu_seconds[to], strict=True)
        return median(a / b for a, b in pairs)


class Stopwatch:
    """Time and processor time since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), _cpu_seconds()

    def read(self) -> tuple[float, float]:
        """Return seconds and processor seconds."""
        return time.perf_counter() - self._start[0], _cpu_seconds() - self._start[1]


def alternate(
    sides: Mapping[str, Callable[[int], object]],
    *,
    repeats: int,
    warmup: int = 1,
    wait: Callable[[], object] = lambda: None,
) -> Turns:
    """Run all sides in turn, `repeats` times, and return what they took.

    Args:
        sides: Name to work; it gets the number of the turn, from 0, the warm-up's included.
        repeats: Measured turns.
        warmup: Turns before them that do not count.
        wait: Ends when the device has done what was asked of it; a GPU goes on in the background.
    """
    turns = Turns.empty(*sides)
    for turn in range(warmup + repeats):
        for side, work in sides.items():
            wait()
            stopwatch = Stopwatch()
            work(turn)
            wait()
            if turn >= warmup:
                turns.note(side, stopwatch)
    return turns


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


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
