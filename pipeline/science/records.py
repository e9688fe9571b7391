"""Results on disk: small JSON files in Git, one a source, a sweep and a method.

A cells file has one line a cell, so that a new cell is a new line in a diff.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from dpf_core.config_reading import from_mapping
from dpf_core.errors import ConfigError, DPFError
from dpf_core.files import write_text_atomic
from pipeline.science.environment import Environment
from pipeline.science.keys import Json, cell_key, method_setup
from pipeline.science.settings import MethodSettings, ScienceSettings, SweepPoint

RESAMPLE_UNIT = 1e-4
"""Of the whole numbers in which scores of resamples are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One method on one target with one few-shot seed."""

    key: str
    """Of all that shapes it."""
    data: str
    """Of its rows alone."""
    score: float
    """On the whole test file, by CrossFit's metric of the task."""
    dev_score: float
    best_step: int
    steps: int
    num_trainable: int
    adapt_seconds: float
    seconds: float
    """With the scoring of the test file."""
    code: str
    resamples: tuple[int, ...]
    """Scores on resamples of the test rows, in units of RESAMPLE_UNIT."""


Cells = dict[tuple[str, int], Cell]


@dataclass(frozen=True, slots=True)
class CellsFile:
    """The cells of one method that are valid under one setup."""

    setup: Json
    cells: Cells


def read_cells(path: Path) -> CellsFile | None:
    """Return a method's recorded cells.

    Raises:
        ConfigError: The file is damaged, or a cell is not of the file's own setup.
    """
    if not path.exists():
        return None
    try:
        value = _read_json(path)
        setup = dict(value["setup"])
        found = {
            (task, int(seed)): from_mapping(Cell, cell, f"{task}, seed {seed} in {path}")
            for task, seeds in value["cells"].items()
            for seed, cell in seeds.items()
        }
        _check_cells(setup, found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(damaged(path, error)) from error
    return CellsFile(setup, found)


def require_setup(path: Path, setup: Json) -> None:
    """Return if recorded cells, if any, are of this setup.

    Raises:
        ConfigError: They are of another one, or the file is damaged.
    """
    earlier = read_cells(path)
    if earlier is None or not earlier.cells or earlier.setup == setup:
        return
    parts = sorted(
        part for part in {*earlier.setup, *setup} if earlier.setup.get(part) != setup.get(part)
    )
    raise ConfigError(
        f"recorded cells must be of the settings and machine that new ones are of, got "
        f"{len(earlier.cells)} of other {', '.join(parts)} ({path}). Restore those, or run "
        "`dpf science run` or `study` with --replace, which drops the recorded cells."
    )


def add_cell(
    path: Path,
    method: str,
    setup: Json,
    place: tuple[str, int],
    cell: Cell,
    *,
    replace: bool = False,
) -> None:
    """Record a cell beside those of the same setup.

    Args:
        path: Of the method's file, which is replaced as a whole.
        method: Its name.
        setup: What the cell was made under.
        place: Target and seed.
        cell: What came out.
        replace: Drop cells of another setup.

    Raises:
        ConfigError: There are cells of another setup, which are not to be replaced.
        OSError: The file cannot be written; the earlier one is untouched.
    """
    if not replace:
        require_setup(path, setup)
    earlier = read_cells(path)
    cells = dict(earlier.cells) if earlier is not None and earlier.setup == setup else {}
    cells[place] = cell
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomic(path, "".join(_lines(method, setup, cells)))


def read_record(path: Path) -> Json | None:
    """Return the JSON object of a source or a sweep, None where there is no file.

    Raises:
        ConfigError: The file is damaged.
    """
    if not path.exists():
        return None
    try:
        value = _read_json(path)
    except ValueError as error:
        raise ConfigError(damaged(path, error)) from error
    if not isinstance(value, dict):
        raise ConfigError(damaged(path, TypeError(type(value).__name__)))
    return value


def is_current(
    setup: Mapping[str, Any], settings: ScienceSettings, method: MethodSettings, point: SweepPoint
) -> bool:
    """Return whether recorded cells follow from these settings, wherever they were made."""
    try:
        environment = Environment.of(setup)
        source_key = setup["source"]["key"] if method.source is not None else None
        return setup == method_setup(settings, method, point, environment, source_key)
    except (KeyError, TypeError, AttributeError):
        return False


def _read_json(path: Path) -> Any:
    """Return the value in a file; no number in it is NaN or infinite."""
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"a number must be finite, got {text}")
    return value


def _check_cells(setup: Json, cells: Cells) -> None:
    wanted = setup["num_resamples"]
    for (task, seed), cell in cells.items():
        if cell.key != cell_key(setup, cell.data, seed):
            raise ValueError(f"a cell of another setup than the file's ({task}, seed {seed})")
        if len(cell.resamples) != wanted:
            raise ValueError(
                f"{wanted} resamples must be there, got {len(cell.resamples)} ({task}, seed {seed})"
            )


def _lines(method: str, setup: Json, cells: Cells) -> Iterator[str]:
    yield "{\n"
    yield f' "method": {json.dumps(method)},\n'
    yield f' "setup": {json.dumps(setup, sort_keys=True, allow_nan=False)},\n'
    yield ' "cells": {'
    tasks = sorted({task for task, _ in cells})
    for i, task in enumerate(tasks):
        yield f"{',' if i else ''}\n  {json.dumps(task)}: {{"
        mine = sorted(seed for name, seed in cells if name == task)
        for j, seed in enumerate(mine):
            cell = json.dumps(asdict(cells[task, seed]), allow_nan=False)
            yield f'{"," if j else ""}\n   "{seed}": {cell}'
        yield "\n  }"
    yield "\n }\n}\n"


def damaged(path: Path, error: Exception) -> str:
    """Return the sentence for a record that has not the form of this version."""
    reason = str(error) if isinstance(error, DPFError) else f"{type(error).__name__}: {error}"
    return (
        f"a record of results must be whole, got {reason} ({path}). Restore it from Git, or remove "
        "it and run again."
    )
