"""What is there of the table, from records alone."""

from typing import Any

from pipeline.science.layout import Layout
from pipeline.science.records import CellsFile, is_current, read_cells
from pipeline.science.settings import ScienceSettings
from pipeline.science.settings_file import load_science
from pipeline.science.tuning import Sweep


def status(layout: Layout) -> dict[str, Any]:
    """Return for each method whether it is tuned and how many cells are there.

    Raises:
        ConfigError: Settings or a record are wrong.
    """
    settings = load_science(layout.params)
    total = len(settings.gym.targets) * len(settings.gym.seeds)
    return {
        name: {
            "tuned": Sweep(settings, layout, name).chosen is not None,
            "cells": len(current_cells(settings, layout, name).cells),
            "of": total,
        }
        for name in settings.methods
    }


def current_cells(settings: ScienceSettings, layout: Layout, name: str) -> CellsFile:
    """Return a method's recorded cells of the table that follow from the settings as they are.

    Whether the rows are still the same is not asked: they need not be there.

    Raises:
        ConfigError: There is no such method, or a record is damaged.
    """
    sweep = Sweep(settings, layout, name)
    recorded = read_cells(layout.cells(name))
    if recorded is None or sweep.chosen is None:
        return CellsFile({}, {})
    point = sweep.method.sweep[sweep.chosen]
    if not is_current(recorded.setup, settings, sweep.method, point):
        return CellsFile({}, {})
    cells = {
        (target, seed): cell
        for (target, seed), cell in recorded.cells.items()
        if target in settings.gym.targets and seed in settings.gym.seeds
    }
    return CellsFile(recorded.setup, cells)


def require_tuned(settings: ScienceSettings, layout: Layout) -> None:
    """Return if every method has the record of its tuning.

    Raises:
        ConfigError: One has none.
    """
    for name in settings.methods:
        Sweep(settings, layout, name).require()


def describe(result: dict[str, Any]) -> str:
    """Return a line a method, and the sum."""
    width = max(map(len, result))
    lines = [
        f"{name:{width}}  {'tuned' if found['tuned'] else 'not tuned':9}  "
        f"{found['cells']:4d} of {found['of']}"
        for name, found in result.items()
    ]
    done, total = (sum(found[key] for found in result.values()) for key in ("cells", "of"))
    return "\n".join([*lines, f"{'all':{width}}  {'':9}  {done:4d} of {total}"])
