"""What is there of the table, from records alone."""

from dataclasses import dataclass
from typing import Any

from dpf_core.config_reading import to_mapping
from dpf_core.errors import ConfigError
from dpf_core.evaluation.metrics import METRICS
from pipeline.science.environment import Environment
from pipeline.science.keys import Json, source_question
from pipeline.science.layout import Layout
from pipeline.science.records import CellsFile, is_current, read_cells, read_record
from pipeline.science.settings import ScienceSettings, check_choice
from pipeline.science.settings_file import load_science
from pipeline.science.tuning import Origin, Sweep


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
    """Return a method's recorded cells of the table that follow from settings and checked rows.

    A cell, the sweep that chose its setting and the source model that it starts from must be of the
    rows of `protocol.json`; the rows themselves need not be there.

    Raises:
        ConfigError: There is no such method, a record is damaged, or rows were not checked.
    """
    sweep = Sweep(settings, layout, name)
    recorded = read_cells(layout.cells(name))
    if recorded is None or sweep.chosen is None:
        return CellsFile({}, {})
    rows = checked_rows(settings, layout)
    point = sweep.method.sweep[sweep.chosen]
    if not is_current(recorded.setup, settings, sweep.method, point):
        return CellsFile({}, {})
    weights = Environment.of(recorded.setup).backbone_sha256
    origin = checked_origin(settings, layout, name, rows, weights)
    source = recorded.setup["source"]
    if sweep.origin != origin or (source is not None and source["key"] != origin.source):
        return CellsFile({}, {})
    cells = {
        place: cell for place, cell in recorded.cells.items() if cell.data == rows.data.get(place)
    }
    return CellsFile(recorded.setup, cells)


def checked_origin(
    settings: ScienceSettings, layout: Layout, name: str, rows: "CheckedRows", weights: str
) -> Origin:
    """Return what a method's sweep must rest on, by the checked rows and the recorded source.

    Args:
        settings: Of the science.
        layout: Where the record of the source lies.
        name: Of the method.
        rows: That were checked.
        weights: Of the backbone.
    """
    source, seed = settings.method(name).source, settings.tuning.seed
    key = None
    if source is not None:
        key = recorded_key(read_record(layout.source_record(source)), settings, source, rows)
    return Origin(
        data={target: rows.data[target, seed] for target in settings.tuning.targets},
        source=key,
        weights=weights,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedRows:
    """What `protocol.json` says of the rows."""

    manifest_sha256: str
    metrics: dict[str, str]
    """By target."""
    kinds: dict[str, str]
    """By target or source task."""
    data: dict[tuple[str, int], str]
    """Target and seed -> key of the rows."""
    sources: dict[str, str]
    """Source task -> key of the rows."""


def checked_rows(settings: ScienceSettings, layout: Layout) -> CheckedRows:
    """Return the record of the rows.

    Raises:
        ConfigError: There is none, it is damaged, or it is of other tasks, seeds or limits.
    """
    record = read_record(layout.protocol)
    try:
        if record is None or record["asked"]["gym"] != to_mapping(settings.gym):
            raise ConfigError(
                f"the rows must have been checked with these tasks, seeds and limits, got "
                f"{'no record' if record is None else 'a record of others'} ({layout.protocol}). "
                "Run: dpf science check."
            )
        targets = record["targets"]
        metrics = {name: targets[name]["metric"] for name in settings.gym.targets}
        for name, metric in metrics.items():
            check_choice(metric, METRICS, f"the metric of {name}")
        return CheckedRows(
            manifest_sha256=record["asked"]["gym_manifest_sha256"],
            metrics=metrics,
            data={
                (name, seed): targets[name]["data"][str(seed)]
                for name in settings.gym.targets
                for seed in settings.gym.seeds
            },
            kinds={
                name: record[role][name]["kind"]
                for role in ("targets", "sources")
                for name in getattr(settings.gym, role)
            },
            sources={name: record["sources"][name]["data"] for name in settings.gym.sources},
        )
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"the record of the rows must have the form of this version, got "
            f"{type(error).__name__}: {error} ({layout.protocol}). Run: dpf science check."
        ) from error


def recorded_key(
    record: Json | None, settings: ScienceSettings, name: str, rows: CheckedRows
) -> str | None:
    """Return the key of a recorded source model, None where it is not of these settings and rows.

    Args:
        record: What came out of its training, None for nothing.
        settings: That it must follow from.
        name: Of the source.
        rows: That were checked, of its tasks at least.
    """
    if record is None or record.get("question") != source_question(settings, name):
        return None
    if record.get("rows") != {task: rows.sources[task] for task in settings.gym.sources}:
        return None
    return str(record.get("key"))


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
