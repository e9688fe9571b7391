"""What the report of the science draws: gains of methods, and differences on each target."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

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

_LEAST_LIMIT = 0.05
"""Of the colours of differences, so that noise does not look like a finding."""


def science_figures(table: Mapping[str, Any], out_dir: Path) -> list[Path]:
    """Draw the figures of a table, one PNG file each.

    Args:
        table: The content of `transfer.json`.
        out_dir: Folder for the files, made if missing.

    Returns:
        The files written; none where no method has all its cells.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    methods = {name: row for name, row in table["methods"].items() if row["ptg"]}
    written = []
    if methods:
        draw_gains(methods, table["baseline"], out_dir / "gains.png")
        draw_differences(methods, table["baseline"], out_dir / "differences.png")
        written += [out_dir / "gains.png", out_dir / "differences.png"]
    if table["challenger"] in methods and table["challenger"] != table["baseline"]:
        draw_targets(methods[table["challenger"]]["targets"], table, out_dir / "targets.png")
        written.append(out_dir / "targets.png")
    return written


def draw_gains(methods: Mapping[str, Mapping[str, Any]], baseline: str, path: Path) -> None:
    """Draw each method's PTG with its interval, best on top; the baseline stands at 1."""
    ranked = sorted(methods, key=lambda name: (-methods[name]["ptg"]["mean_ratio"], name))
    gains = [methods[name]["ptg"] for name in ranked]
    points = np.array([gain["mean_ratio"] for gain in gains])
    with figure(path, 1.1 + 0.34 * len(ranked)) as drawing:
        axes = drawing.subplots()
        _intervals(axes, points, np.array([gain["ci95"] for gain in gains]), reference=1.0)
        medians = [gain["median_ratio"] for gain in gains]
        rows = np.arange(len(ranked)) + 0.5
        axes.scatter(medians, rows, s=22, c="white", edgecolors=MUTED, linewidths=1.1, zorder=5)
        name_rows(axes, ranked, top_first=True)
        for row, gain in zip(rows, gains, strict=True):
            hurt = f"{gain['share_hurt']:.0%} hurt, {gain['share_below']:.0%} below"
            note_right(axes, row, f"{gain['mean_ratio']:.3f}  {hurt}")
        axes.set_title(
            f"Prompt Transfer Gain over {baseline} with 95% interval, median ratio (open)"
        )


def draw_targets(
    targets: Mapping[str, Mapping[str, Any]], table: Mapping[str, Any], path: Path
) -> None:
    """Draw the challenger's difference to the baseline on each target with its interval."""
    ranked = sorted(targets, key=lambda name: (-targets[name]["difference"], name))
    points = np.array([targets[name]["difference"] for name in ranked])
    bounds = np.array([targets[name]["difference_ci95"] for name in ranked])
    with figure(path, 1.1 + 0.26 * len(ranked)) as drawing:
        axes = drawing.subplots()
        _intervals(axes, points, bounds, reference=0.0)
        name_rows(axes, ranked, top_first=True)
        for row, name in enumerate(ranked):
            found = targets[name]
            hurt = "  hurt" if found["is_hurt"] else ""
            text = f"{found['baseline']:.3f} to {found['score']:.3f}{hurt}"
            note_right(axes, row + 0.5, text, BELOW if found["is_hurt"] else MUTED)
        axes.set_title(
            f"Score of {table['challenger']} minus {table['baseline']}, paired 95% interval over "
            "seeds and test rows"
        )


def draw_differences(methods: Mapping[str, Mapping[str, Any]], baseline: str, path: Path) -> None:
    """Draw every method's difference to the baseline on every target as a heat map."""
    names = [name for name in methods if name != baseline] or [baseline]
    targets = list(methods[names[0]]["targets"])
    values = np.array(
        [[methods[name]["targets"][target]["difference"] for name in names] for target in targets]
    )  # [T, M]
    order = np.argsort(-values.mean(axis=1), kind="stable")
    limit = max(_LEAST_LIMIT, float(np.abs(values).max()))
    with figure(path, 1.5 + 0.26 * len(targets)) as drawing:
        axes = drawing.subplots()
        norm = Normalize(-limit, limit)
        image = axes.pcolormesh(values[order], cmap=BELOW_TO_ABOVE, norm=norm, edgecolors="white")
        for row, target in enumerate(values[order]):
            for column, value in enumerate(target):
                color = "white" if abs(value) > 0.6 * limit else "#20262e"
                text = f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
                axes.text(
                    column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=7, color=color
                )
        name_rows(axes, [targets[i] for i in order], top_first=True)
        axes.set_xticks(np.arange(len(names)) + 0.5, [name.replace("_", "\n") for name in names])
        axes.set_title(f"Score minus that of {baseline}, mean over the seeds")
        ticks = {tick: f"{tick:+.2f}" for tick in (-limit, 0.0, limit)}
        color_bar(drawing, image, axes, ticks)


def _intervals(
    axes: Axes, points: np.ndarray[Any, Any], bounds: np.ndarray[Any, Any], reference: float
) -> None:
    """Draw points with intervals [N, 2] from the top, coloured by their side of a reference."""
    rows = np.arange(len(points)) + 0.5
    colors: Sequence[str] = np.where(points < reference, BELOW, ABOVE).tolist()
    axes.axvline(reference, color=FAINT, linewidth=1, linestyle=DASHED, zorder=1)
    axes.hlines(rows, bounds[:, 0], bounds[:, 1], colors=colors, linewidth=2.2, alpha=0.4)
    axes.scatter(points, rows, s=34, c=colors, zorder=4)
    axes.grid(axis="x")
