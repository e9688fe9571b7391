"""What the report of the science draws of the transfer matrix and of the task scheduler."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import Normalize, TwoSlopeNorm
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import pdist

from pipeline.plots.style import BELOW_TO_ABOVE, color_bar, figure, name_rows, shorten

Floats = NDArray[np.float64]

_LEAST_LIMIT = 0.05
"""Of the colours of differences, so that noise does not look like a finding."""


def matrix_figures(matrix: Mapping[str, Any], out_dir: Path) -> list[Path]:
    """Draw the heat maps that there are rows for, one PNG file each.

    Args:
        matrix: The content of `matrix.json`.
        out_dir: Folder for the files, made if missing.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    written = []
    if matrix["targets"]:
        draw_matrix(matrix["targets"], out_dir / "matrix.png")
        written.append(out_dir / "matrix.png")
    if matrix["scheduler"]:
        draw_clusters(matrix["scheduler"], out_dir / "scheduler.png")
        written.append(out_dir / "scheduler.png")
    return written


def draw_matrix(rows: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw each source prompt's difference on each target, like targets and sources together."""
    targets, sources = list(rows), list(next(iter(rows.values()))["with"])
    values = np.array(
        [[rows[t]["with"][s] - rows[t]["without"] for s in sources] for t in targets]
    )  # [targets, sources]
    down, across = leaf_order(values, "euclidean"), leaf_order(values.T, "euclidean")
    limit = max(_LEAST_LIMIT, float(np.abs(values).max()))
    ticks = {-limit: f"{-limit:+.2f}", 0.0: "0", limit: f"{limit:+.2f}"}
    _draw(
        values[np.ix_(down, across)],
        [targets[i] for i in down],
        [sources[i] for i in across],
        Normalize(-limit, limit),
        ticks,
        "Dev score with a source task's frozen prompt minus without one",
        path,
    )


def draw_clusters(scheduler: Mapping[str, Any], path: Path) -> None:
    """Draw the mixing weights of the tasks, in the order of their Jensen-Shannon clustering."""
    values, tasks = np.array(scheduler["mixing_weights"]), scheduler["tasks"]
    even = 1 / values.shape[1]
    down, across = leaf_order(values, "jensenshannon"), leaf_order(values.T, "euclidean")
    most = max(even + _LEAST_LIMIT, float(values.max()))
    ticks = {0.0: "0", even: "even", most: f"{most:.2f}"}
    _draw(
        values[np.ix_(down, across)],
        [tasks[i] for i in down],
        [str(i) for i in across],
        TwoSlopeNorm(vmin=0, vcenter=even, vmax=most),
        ticks,
        "Mixing weights of the source tasks over the pool",
        path,
    )


def leaf_order(vectors: Floats, metric: str) -> list[int]:
    """Return the order in which a hierarchical clustering puts similar vectors side by side.

    Args:
        vectors: [N, M].
        metric: Of scipy's `pdist`.
    """
    if len(vectors) < 3:
        return list(range(len(vectors)))
    distances = np.nan_to_num(pdist(vectors, metric))  # rounding below the root of a divergence
    tree = linkage(distances, "average", optimal_ordering=True)
    return [int(index) for index in leaves_list(tree)]


def _draw(
    values: Floats,
    rows: Sequence[str],
    columns: Sequence[str],
    norm: Normalize,
    ticks: dict[float, str],
    title: str,
    path: Path,
) -> None:
    with figure(path, 2.4 + 0.24 * len(rows)) as drawing:
        axes = drawing.subplots()
        image = axes.pcolormesh(values, cmap=BELOW_TO_ABOVE, norm=norm, edgecolors="white")
        name_rows(axes, rows, top_first=True)
        axes.set_xticks(
            np.arange(len(columns)) + 0.5,
            [shorten(name, 26) for name in columns],
            rotation=45 if max(map(len, columns)) > 3 else 0,
            ha="right" if max(map(len, columns)) > 3 else "center",
        )
        axes.set_title(title)
        color_bar(drawing, image, axes, ticks)
