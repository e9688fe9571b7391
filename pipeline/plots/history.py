"""The long table of what training recorded (`history.tsv`), as curves."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dpf_core.errors import DPFError

HISTORY_HEADER = "step\ttask\tquantity\tvalue"
ALL_TASKS = "all"
"""Stands in the task column for the mean over the tasks."""

HistoryRow = tuple[int, str, str, float]
"""Step, task, quantity, value."""

Floats = npt.NDArray[np.float64]
Curve = tuple[npt.NDArray[np.int64], Floats]
"""Ascending steps and their values."""


def read_history(path: Path) -> list[HistoryRow]:
    """Return the rows of a `history.tsv`.

    Raises:
        DPFError: The header or a line is not what the train stage writes.
    """
    header, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    if header != HISTORY_HEADER:
        raise DPFError(
            f"the header must be {HISTORY_HEADER!r}, got {header!r} ({path}). "
            "Run `dvc repro train`."
        )
    return [_row(line, f"{path}, line {number}") for number, line in enumerate(lines, start=2)]


def curves_by_quantity(history: Iterable[HistoryRow]) -> dict[str, dict[str, Curve]]:
    """Return quantity -> task -> curve, steps in ascending order."""
    points: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for step, task, quantity, value in history:
        points.setdefault(quantity, {}).setdefault(task, []).append((step, value))
    return {
        quantity: {task: _curve(rows) for task, rows in by_task.items()}
        for quantity, by_task in points.items()
    }


def align(curves: Sequence[Curve]) -> Curve:
    """Return the union of the steps and a [curve, step] table; a gap holds the value before it."""
    steps = np.unique(np.concatenate([own for own, _ in curves]))
    table = [
        values[np.maximum(np.searchsorted(own, steps, side="right") - 1, 0)]
        for own, values in curves
    ]
    return steps, np.stack(table)


def moving_mean(values: Floats, width: int) -> Floats:
    """Return the centred mean over `width` values, over fewer at the two ends."""
    window = np.ones(min(width, len(values)))
    return np.asarray(
        np.convolve(values, window, "same") / np.convolve(np.ones_like(values), window, "same")
    )


def _row(line: str, where: str) -> HistoryRow:
    try:
        step, task, quantity, value = line.split("\t")
        return int(step), task, quantity, float(value)
    except ValueError:
        raise DPFError(
            f"a line must be a step, a task, a quantity and a number between tabs, got {line!r} "
            f"({where}). Run `dvc repro train`."
        ) from None


def _curve(points: list[tuple[int, float]]) -> Curve:
    steps, values = zip(*sorted(points), strict=True)
    return np.array(steps, dtype=np.int64), np.array(values, dtype=np.float64)
