"""What the report of the science draws of a study: a curve over numbers, or bars over names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from pipeline.plots.style import (
    ABOVE,
    BELOW,
    DASHED,
    FAINT,
    INK,
    MUTED,
    figure,
    name_rows,
    note_right,
)

_LOGARITHMIC_FROM = 10.0
"""Largest over smallest number of a curve from which its axis is logarithmic."""


def study_figures(summary: Mapping[str, Any], out_dir: Path) -> dict[str, Path]:
    """Draw each study of which the default and another point have all their cells.

    Args:
        summary: The content of `studies.json`.
        out_dir: Folder for the files, made if missing.

    Returns:
        Name of the study -> PNG file.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for name, study in summary["studies"].items():
        points = {key: point for key, point in study["points"].items() if _is_whole(point)}
        if len(points) < 2:
            continue
        drawn[name] = out_dir / f"study-{name}.png"
        draw = draw_curve if study["kind"] == "curve" else draw_bars
        draw(study | {"points": points}, drawn[name])
    return drawn


def draw_curve(study: Mapping[str, Any], path: Path) -> None:
    """Draw mean scores over numbers; a bar is the default's score plus the paired interval.

    The scores of the source tasks' dev rows stand below on the same axis.
    """
    points = dict(sorted(study["points"].items(), key=lambda item: float(item[0])))
    numbers = np.array([float(name) for name in points])
    score, low, high = _intervals(points, study["default"])
    with figure(path, 3.9) as drawing:
        upper, lower = drawing.subplots(2, 1, sharex=True, height_ratios=[3, 1.4])
        upper.axhline(points[study["default"]]["score"], color=FAINT, linestyle=DASHED, zorder=1)
        upper.vlines(numbers, low, high, color=ABOVE, alpha=0.35, linewidth=3, zorder=2)
        upper.plot(numbers, score, color=ABOVE, marker="o", markersize=5, zorder=4)
        upper.scatter(
            [float(study["default"])], [points[study["default"]]["score"]], s=60,
            facecolors="white", edgecolors=ABOVE, linewidths=1.6, zorder=5,
        )  # fmt: skip
        upper.set_ylabel("mean target score")
        upper.set_title(f"{study['title']}: target score, default open, paired 95% intervals")
        dev = np.array([point["source_dev"] for point in points.values()])
        lower.plot(numbers, dev, color=MUTED, marker="o", markersize=4)
        lower.set_ylabel("source dev score")
        for axes in (upper, lower):
            axes.grid(axis="y")
        _number_axis(lower, numbers, list(points), study["title"])


def draw_bars(study: Mapping[str, Any], path: Path) -> None:
    """Draw each point's difference to the default with its paired interval, best on top."""
    points = study["points"]
    ranked = sorted(points, key=lambda name: (-points[name]["score"], name))
    differences = np.array([points[name]["difference"] for name in ranked])
    bounds = np.array([points[name]["difference_ci95"] for name in ranked])
    colors = np.where(differences < 0, BELOW, ABOVE).tolist()
    rows = np.arange(len(ranked)) + 0.5
    with figure(path, 1.1 + 0.34 * len(ranked)) as drawing:
        axes = drawing.subplots()
        axes.axvline(0, color=FAINT, linewidth=1, linestyle=DASHED, zorder=1)
        axes.barh(rows, differences, height=0.55, color=colors, alpha=0.35, zorder=2)
        axes.hlines(rows, bounds[:, 0], bounds[:, 1], colors=colors, linewidth=2.2, zorder=3)
        name_rows(axes, [name.replace("_", " ") for name in ranked], top_first=True)
        for row, name in zip(rows, ranked, strict=True):
            default = "  default" if name == study["default"] else ""
            note_right(axes, row, f"{points[name]['score']:.3f}{default}")
        axes.grid(axis="x")
        axes.set_title(f"{study['title']}: score minus that of the default, paired 95% interval")


def _is_whole(point: Mapping[str, Any]) -> bool:
    return point["difference"] is not None


def _intervals(
    points: Mapping[str, Mapping[str, Any]], default: str
) -> tuple[NDArray[np.float64], ...]:
    """Return scores and the two ends of their intervals around the default, each [N]."""
    base = points[default]["score"]
    rows = [
        (point["score"], *(base + bound for bound in point["difference_ci95"]))
        for point in points.values()
    ]
    return tuple(np.array(rows).T)


def _number_axis(axes: Axes, numbers: NDArray[np.float64], names: list[str], title: str) -> None:
    """Put a tick at every point, on a logarithmic axis where numbers span a decade or more."""
    if numbers[0] > 0 and numbers[-1] / numbers[0] >= _LOGARITHMIC_FROM:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(numbers, names)
    axes.tick_params(axis="x", labelcolor=INK, length=0)
    axes.set_xlabel(title)
