"""What the evaluation found: scores by task, the scheduler's mixture, the gate's values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import Normalize
from scipy.cluster.hierarchy import leaves_list, linkage

from pipeline.plots.style import (
    ABOVE,
    BELOW,
    BELOW_TO_ABOVE,
    DASHED,
    FAINT,
    MUTED,
    color_bar,
    figure,
    name_rows,
    note_right,
)

SATURATED = (0.05, 0.95)
"""A gate value outside hardly learns any more: the sigmoid is flat there."""


def evaluate_plots(evaluation: Mapping[str, Any], out_dir: Path) -> list[Path]:
    """Draw scores, scheduler and gate, one PNG file each.

    Args:
        evaluation: The content of `evaluate.json`.
        out_dir: Folder for the files, made if missing.

    Returns:
        The files written. A model without a pool has neither scheduler nor gate, nor their figures.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    draw_scores(evaluation["tasks"], out_dir / "scores.png")
    written = [out_dir / "scores.png"]
    if evaluation.get("scheduler"):
        draw_scheduler(evaluation["scheduler"], out_dir / "scheduler.png")
        written.append(out_dir / "scheduler.png")
    if evaluation.get("gate_histogram"):
        draw_gate_histogram(evaluation["gate_histogram"], out_dir / "gate_histogram.png")
        written.append(out_dir / "gate_histogram.png")
    return written


def draw_scores(tasks: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw one row a task, best on top: the majority baseline, the score, the line between."""
    ranked = sorted(tasks, key=lambda task: (-task["score"], task["name"]))
    rows = np.arange(len(ranked)) + 0.5
    scores = np.array([task["score"] for task in ranked])
    majority = np.array([task["majority_score"] for task in ranked])
    colors = np.where(scores < majority, BELOW, ABOVE).tolist()
    with figure(path, 1.0 + 0.26 * len(ranked)) as drawing:
        axes = drawing.subplots()
        axes.hlines(rows, majority, scores, colors=colors, linewidth=2.2, alpha=0.4)
        axes.scatter(majority, rows, s=26, c="white", edgecolors=MUTED, linewidths=1.2, zorder=3)
        axes.scatter(scores, rows, s=36, c=colors, zorder=4)
        axes.axvline(scores.mean(), color=FAINT, linewidth=1, linestyle=DASHED, zorder=1)
        name_rows(axes, [task["name"] for task in ranked], top_first=True)
        for row, task in zip(rows, ranked, strict=True):
            note_right(axes, row, f"{task['score']:.3f}  {task['metric']}")
        axes.set_xlim(min(0.0, scores.min() - 0.02, majority.min() - 0.02), 1)
        axes.grid(axis="x")
        axes.set_title(
            f"Score (filled), majority baseline (open), mean {scores.mean():.3f} (dashed)"
        )


def draw_scheduler(scheduler: Mapping[str, Any], path: Path) -> None:
    """Draw the mixing weights [T, K] against an even mixture, similar rows and columns together."""
    weights = np.asarray(scheduler["mixing_weights"], dtype=np.float64)  # [T, K]
    rows, columns = _leaf_order(weights), _leaf_order(weights.T)
    shares = weights[np.ix_(rows, columns)] * weights.shape[1]
    limit = max(float(np.abs(shares - 1).max()), 0.25)
    low, high = max(0.0, 1 - limit), 1 + limit
    ticks = {tick: f"{tick:.2f} x" for tick in (low, 1.0, 1 + limit / 2, high)}
    with figure(path, 1.2 + 0.24 * len(rows)) as drawing:
        axes = drawing.subplots()
        # Linear and centred on an even share: only prompts that a task really uses stand out.
        norm = Normalize(1 - limit, 1 + limit)
        image = axes.pcolormesh(shares, cmap=BELOW_TO_ABOVE, norm=norm, edgecolors="white")
        name_rows(axes, [scheduler["tasks"][row] for row in rows], top_first=True)
        axes.set_xticks(np.arange(len(columns)) + 0.5, [str(column) for column in columns])
        axes.set_xlabel("prompt of the pool")
        axes.set_title("Mixing weight, as a multiple of an even share")
        color_bar(drawing, image, axes, ticks).ax.set_ylim(low, high)


def draw_gate_histogram(histogram: Mapping[str, Sequence[float]], path: Path) -> None:
    """Draw the gate's values over all tasks and dimensions, the saturated ends set apart."""
    edges = np.asarray(histogram["edges"], dtype=np.float64)
    counts = np.asarray(histogram["counts"], dtype=np.float64)
    centres = (edges[:-1] + edges[1:]) / 2
    saturated = (centres < SATURATED[0]) | (centres > SATURATED[1])
    with figure(path, 2.5) as drawing:
        axes = drawing.subplots()
        colors = np.where(saturated, BELOW, ABOVE)
        shares, widths = counts / counts.sum(), np.diff(edges)
        axes.bar(edges[:-1], shares, widths, align="edge", color=colors, edgecolor="white")
        axes.set_xlim(0, 1)
        axes.set_xticks([0, *SATURATED, 0.25, 0.5, 0.75, 1])
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.grid(axis="y")
        axes.set_xlabel("gate value (0: the pool's mixture alone, 1: the task embedding alone)")
        axes.set_title("Share of the gate's values; outside 0.05 to 0.95 a value is saturated")


def _leaf_order(vectors: npt.NDArray[np.float64]) -> list[int]:
    """Return the order in which a hierarchical clustering puts similar vectors side by side."""
    if len(vectors) < 3:
        return list(range(len(vectors)))
    tree = linkage(vectors, "average", optimal_ordering=True)
    return [int(index) for index in leaves_list(tree)]
