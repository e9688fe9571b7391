"""How every figure looks and how it reaches the disk; what a figure shows is in its own module.

One ink and two accents that stay apart for colour-blind readers (blue and vermilion of Okabe and
Ito), and a font that matplotlib ships. No date and no software name enter the file.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from dpf_core.files import write_bytes_atomic

INK, MUTED, FAINT = "#20262e", "#66707c", "#b9c0c9"
ABOVE, BELOW = "#0072b2", "#d55e00"
BELOW_TO_ABOVE = LinearSegmentedColormap.from_list(
    "below_to_above", ["#8f3a00", "#e98b4f", "#ffffff", "#5fa5d3", "#004a75"]
)
"""Vermilion below a reference, white at it, blue above it."""

DASHED = (0, (4, 3))
_SIZE = {"width_inches": 10.0, "dpi": 150}
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "grid.color": "#e6e9ed",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,
}


@contextmanager
def figure(path: Path, height_inches: float) -> Iterator[Figure]:
    """Give a figure to draw on, then write it as PNG, whatever style the user has set."""
    with matplotlib.style.context(_STYLE, after_reset=True):
        drawing = Figure(figsize=(_SIZE["width_inches"], height_inches), dpi=_SIZE["dpi"])
        yield drawing
        buffer = io.BytesIO()
        drawing.savefig(buffer, format="png", metadata={"Software": None})
    write_bytes_atomic(path, buffer.getvalue())


def shorten(name: str, num_characters: int) -> str:
    """Return the name, its middle replaced by an ellipsis where it is too long."""
    if len(name) <= num_characters:
        return name
    head = (num_characters - 1) // 2
    return f"{name[:head]}…{name[head + 1 - num_characters :]}"


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Return ascending positions moved apart to at least `gap`, for labels beside their lines."""
    moved: list[float] = []
    for position in positions:
        moved.append(max(position, moved[-1] + gap) if moved else position)
    shift = sum(moved) - sum(positions)
    return [position - shift / len(moved) for position in moved]


def name_rows(axes: Axes, names: Sequence[str], *, top_first: bool) -> None:
    """Label one unit of the y axis per name and remove the frame, which the rows replace."""
    axes.set_yticks(np.arange(len(names)) + 0.5, [shorten(name, 34) for name in names])
    axes.set_ylim((len(names), 0) if top_first else (0, len(names)))
    axes.tick_params(axis="y", labelcolor=INK, labelsize=8.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def note_right(axes: Axes, y: float, text: str, color: str = MUTED) -> None:
    """Write beside the right edge of the axes, at a height in the data's units."""
    where = axes.get_yaxis_transform()
    axes.text(1.01, y, text, va="center", fontsize=8, color=color, transform=where)


def color_bar(
    drawing: Figure, image: ScalarMappable, axes: Axes, ticks: dict[float, str], pad: float = 0.02
) -> Colorbar:
    """Put a frameless colour bar with these ticks right of the axes, and return it."""
    bar = drawing.colorbar(image, ax=axes, pad=pad, aspect=40, fraction=0.03)
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    bar.ax.tick_params(length=0)
    bar.ax.spines[:].set_visible(False)
    bar.outline.set_visible(False)
    return bar
