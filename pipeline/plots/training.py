"""How training went: losses, task weights, gate and mixing, dev scores."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dpf_core.errors import DPFError
from pipeline.plots.history import (
    ALL_TASKS,
    Curve,
    Floats,
    HistoryRow,
    align,
    curves_by_quantity,
    moving_mean,
)
from pipeline.plots.style import (
    ABOVE,
    BELOW_TO_ABOVE,
    DASHED,
    FAINT,
    INK,
    MUTED,
    color_bar,
    figure,
    name_rows,
    note_right,
    shorten,
    spread,
)

_FUSION_PANELS = {
    "gate_mean": "Gate mean (1: task embedding, 0: pool)",
    "mixing_entropy": "Mixing entropy (0: a single prompt)",
}

_TICK_STEPS = [1, 2, 2.5, 5, 10]


def train_plots(
    history: Iterable[HistoryRow], out_dir: Path, best_step: int | None = None
) -> list[Path]:
    """Draw how training went, one PNG file a question.

    Args:
        history: The rows of `history.tsv`.
        out_dir: Folder for the files, made if missing.
        best_step: The step whose weights were kept, marked in the dev scores.

    Returns:
        The files written. A quantity that was not recorded (a model without a pool has no gate)
        has no figure.

    Raises:
        DPFError: The history holds no losses.
    """
    curves = curves_by_quantity(history)
    if "loss" not in curves:
        raise DPFError(
            f"the history must hold the quantity 'loss', got {sorted(curves)}. "
            "Train for at least one step."
        )
    out_dir.mkdir(parents=True, exist_ok=True)
    draw_losses(curves["loss"], out_dir / "loss.png")
    written = [out_dir / "loss.png"]
    if "task_weight" in curves:
        draw_task_weights(curves["task_weight"], out_dir / "task_weight.png")
        written.append(out_dir / "task_weight.png")
    fusion = {title: curves[key] for key, title in _FUSION_PANELS.items() if key in curves}
    if fusion:
        draw_spreads(fusion, out_dir / "fusion.png")
        written.append(out_dir / "fusion.png")
    if "dev_score" in curves:
        draw_spreads({"Dev score": curves["dev_score"]}, out_dir / "dev_score.png", best_step)
        written.append(out_dir / "dev_score.png")
    return written


def draw_losses(curves: Mapping[str, Curve], path: Path) -> None:
    """Draw one small panel a task on shared axes: the loss, and its moving mean in front."""
    names = sorted(set(curves) - {ALL_TASKS}) or [ALL_TASKS]
    num_columns = next((n for n in (2, 3, 4, 5) if len(names) <= n * (n - 1)), 6)
    num_rows = math.ceil(len(names) / num_columns)
    with figure(path, 0.6 + 1.3 * num_rows) as drawing:
        grid = drawing.subplots(num_rows, num_columns, sharex=True, sharey=True, squeeze=False)
        for axes, name in zip(grid.flat, names, strict=False):
            _draw_loss(axes, curves[name])
            title = shorten(name, 132 // num_columns)
            axes.set_title(title, fontsize=8, fontweight="normal", pad=4)
        for axes in grid.flat[len(names) :]:
            axes.set_visible(False)
        for axes in grid.flat[max(0, len(names) - num_columns) : len(names)]:
            axes.tick_params(labelbottom=True)
        grid[0, 0].set_ylim(0, 1.12 * max(max(_smooth(curves[name])) for name in names))
        drawing.supxlabel("step", fontsize=9, color=MUTED)
        drawing.supylabel("loss", fontsize=9, color=MUTED)


def draw_task_weights(curves: Mapping[str, Curve], path: Path) -> None:
    """Draw a heat map of the task weights over the steps, the heaviest at the end on top."""
    names = sorted(set(curves) - {ALL_TASKS}, key=lambda name: (-curves[name][1][-1], name))
    steps, table = align([curves[name] for name in names])
    octaves = np.log2(table)
    limit = max(float(np.abs(octaves).max()), math.log2(1.1))
    edges = np.append(steps, 2 * steps[-1] - steps[-2] if len(steps) > 1 else steps[-1] + 1)
    rows = np.arange(len(names) + 1)
    with figure(path, 1.2 + 0.22 * len(names)) as drawing:
        axes = drawing.subplots()
        image = axes.pcolormesh(edges, rows, octaves, cmap=BELOW_TO_ABOVE, vmin=-limit, vmax=limit)
        name_rows(axes, names, top_first=True)
        for row, value in enumerate(table[:, -1]):
            note_right(axes, row + 0.5, f"{value:.2f}", INK)
        axes.set_xlabel("step")
        axes.set_title("Task weight (1: an equal share of the loss), last value at the right")
        ticks = {float(tick): f"{2**tick:.2f}" for tick in np.linspace(-limit, limit, 5)}
        color_bar(drawing, image, axes, ticks, pad=0.07)


def draw_spreads(
    panels: Mapping[str, Mapping[str, Curve]], path: Path, best_step: int | None = None
) -> None:
    """Draw every task as a thin line, the mean in front, and name the highest and the lowest."""
    with figure(path, 3.3) as drawing:
        row = drawing.subplots(1, len(panels), squeeze=False)[0]
        for axes, (title, curves) in zip(row, panels.items(), strict=True):
            _draw_spread(axes, curves)
            axes.set_title(title)
            axes.set_xlabel("step")
            if best_step is not None:
                _mark_step(axes, best_step)


def _smooth(curve: Curve) -> Floats:
    return moving_mean(curve[1], max(1, len(curve[1]) // 12))


def _draw_curve(axes: Axes, curve: Curve, color: str, width: float) -> None:
    axes.plot(*curve, color=color, linewidth=width, marker="o" if len(curve[0]) == 1 else None)
    axes.xaxis.set_major_locator(
        MaxNLocator("auto", integer=True, min_n_ticks=1, steps=_TICK_STEPS)
    )


def _mark_step(axes: Axes, step: int) -> None:
    is_late = step > np.mean(axes.get_xlim())
    axes.axvline(step, color=MUTED, linewidth=0.9, linestyle=DASHED)
    axes.annotate(f"kept: step {step}", (step, 0.03), (-5 if is_late else 5, 0),
                  xycoords=axes.get_xaxis_transform(), textcoords="offset points",
                  ha="right" if is_late else "left", fontsize=8, color=MUTED)  # fmt: skip


def _draw_loss(axes: Axes, curve: Curve) -> None:
    smooth = _smooth(curve)
    _draw_curve(axes, curve, FAINT, 0.7)
    _draw_curve(axes, (curve[0], smooth), ABOVE, 1.6)
    axes.grid(axis="y")
    axes.text(0.98, 0.95, f"{smooth[-1]:.2f}", ha="right", va="top", fontsize=8, color=INK,
              transform=axes.transAxes)  # fmt: skip


def _draw_spread(axes: Axes, curves: Mapping[str, Curve]) -> None:
    tasks = {name: curve for name, curve in curves.items() if name != ALL_TASKS}
    for curve in tasks.values():
        _draw_curve(axes, curve, FAINT, 0.8)
    steps, table = align(list((tasks or curves).values()))
    mean = curves.get(ALL_TASKS, (steps, table.mean(axis=0)))
    _draw_curve(axes, mean, ABOVE, 2.2)
    axes.grid(axis="y")
    last = sorted((float(values[-1]), name) for name, (_, values) in tasks.items())
    labels = sorted({*last[:1], *last[-1:], (float(mean[1][-1]), "mean")})
    low, high = axes.get_ylim()
    heights = spread([value for value, _ in labels], (high - low) / 16)
    for height, (value, name) in zip(heights, labels, strict=True):
        color = ABOVE if name == "mean" else MUTED
        note_right(axes, height, f"{value:.2f} {shorten(name, 20)}", color)
