"""The table: every method's scores, its Prompt Transfer Gain, and on what it rests.

A figure is computed from all cells of method and baseline, or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from dpf_core.errors import ConfigError
from dpf_core.files import write_json
from pipeline.science.environment import FIRST, Environment
from pipeline.science.keys import Json
from pipeline.science.layout import Layout
from pipeline.science.records import RESAMPLE_UNIT, Cells, read_cells
from pipeline.science.references import REFERENCES, about, recorded
from pipeline.science.settings import ScienceSettings, check_choice
from pipeline.science.settings_file import load_science
from pipeline.science.status import CheckedRows, checked_rows, current_cells
from pipeline.science.transfer_gain import TargetScores, comparable, transfer_gain
from pipeline.science.tuning import Sweep


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """What is there of one method."""

    cells: Cells
    setup: Json
    setting: Json | None
    why_incomplete: str | None


def write_transfer(layout: Layout) -> Json:
    """Write `transfer.json` from the records and return it.

    Raises:
        ConfigError: Settings or a record are wrong, or cells lack the record of their tuning.
        OSError: The file cannot be written.
    """
    table = build_transfer(layout)
    layout.transfer.parent.mkdir(parents=True, exist_ok=True)
    write_json(layout.transfer, table)
    return table


def build_transfer(layout: Layout, *, without: Sequence[str] = ()) -> Json:
    """Return the table as JSON values.

    Args:
        layout: Where settings and records lie.
        without: Targets that count in no gain, though a method must have their cells too.

    Raises:
        ConfigError: As `write_transfer`, or one of `without` is no target, or none remains.
    """
    settings = load_science(layout.params)
    checked = checked_rows(settings, layout)
    Sweep(settings, layout, settings.gain.baseline).require()
    rows = {name: _row(settings, layout, name) for name in settings.methods}
    settings = _restricted(settings, without)
    table = _Table(settings, checked.metrics, rows)
    challenger = settings.gain.challenger
    return _with_references(settings, layout, checked, rows) | {
        "methods": {name: table.method(name) for name in rows},
        "baseline": settings.gain.baseline,
        "floor": settings.gain.floor,
        "challenger": challenger,
        "against": {
            name: {part: table.compared(challenger, name)[part] for part in ("why", "gain")}
            for name in rows
            if name != challenger
        },
        "targets": {target: checked.metrics[target] for target in settings.gym.targets},
        "seeds": list(settings.gym.seeds),
        "sources": list(settings.gym.sources),
        "made_with": {
            "gym_manifest_sha256": checked.manifest_sha256,
            "backbone_sha256": _distinct(rows, lambda row: row.setup["backbone"]["sha256"]),
            "torch": _distinct(rows, lambda row: row.setup["torch"]),
            **_others(rows),
            "protocol": _distinct(rows, lambda row: row.setup["protocol"]),
            "code": sorted({cell.code for row in rows.values() for cell in row.cells.values()}),
        },
    }


def _with_references(
    settings: ScienceSettings, layout: Layout, checked: CheckedRows, rows: Mapping[str, _Row]
) -> Json:
    """Return the part `references`, each on the targets that it can learn; nothing without any."""
    parts, baseline = {}, settings.gain.baseline
    for name in REFERENCES:
        found = recorded(name, settings, checked, layout)
        if found is None:
            continue
        known = found.reference.targets
        learned = tuple(target for target in settings.gym.targets if target in known)
        if not learned:
            continue  # all of them are left out
        missing = len(known) * len(settings.gym.seeds) - len(found.cells)
        row = _Row(
            cells=found.cells,
            setup=found.setup,
            setting={"learning_rate": found.learning_rate},
            why_incomplete=f"{missing} cells are missing" if missing else None,
        )
        own = replace(settings, gym=replace(settings.gym, targets=learned))
        table = _Table(own, checked.metrics, {name: row, baseline: rows[baseline]})
        parts[name] = table.method(name) | {"made_with": about(found)}
    return {"references": parts} if parts else {}


def _restricted(settings: ScienceSettings, without: Sequence[str]) -> ScienceSettings:
    for target in without:
        check_choice(target, settings.gym.targets, "a target that is left out")
    left = tuple(target for target in settings.gym.targets if target not in without)
    if not left:
        raise ConfigError(
            f"a table must have a target, got none but those left out: {', '.join(without)}. Leave "
            "out fewer."
        )
    return replace(settings, gym=replace(settings.gym, targets=left))


class _Table:
    def __init__(
        self, settings: ScienceSettings, metrics: Mapping[str, str], rows: Mapping[str, _Row]
    ) -> None:
        self.settings, self.metrics, self.rows = settings, metrics, rows
        self.targets, self.seeds = settings.gym.targets, settings.gym.seeds

    def method(self, name: str) -> Json:
        """Return one method's part of the table."""
        row, cells = self.rows[name], self.rows[name].cells.values()
        compared = self.compared(name, self.settings.gain.baseline)
        return {
            "scores": {
                target: {
                    str(seed): row.cells[target, seed].score
                    for seed in self.seeds
                    if (target, seed) in row.cells
                }
                for target in self.targets
            },
            "complete": row.why_incomplete is None,
            "why": compared.get("why"),
            "ptg": compared.get("gain"),
            "targets": compared.get("targets"),
            "setting": row.setting,
            "cells": len(row.cells),
            "num_trainable": max((cell.num_trainable for cell in cells), default=None),
            "adapt_seconds": _mean([cell.adapt_seconds for cell in cells]),
            "seconds": _mean([cell.seconds for cell in cells]),
        }

    def compared(self, name: str, base: str) -> Json:
        """Return gain and targets, or why there are none."""
        if why := self._why_not(name, base):
            return {"why": why, "gain": None, "targets": None}
        gain = self.settings.gain
        total, targets = transfer_gain(
            self._scores(name),
            self._scores(base),
            floor=gain.floor,
            num_draws=gain.num_draws,
            draw_seed=gain.draw_seed,
        )
        by_target = {
            task: {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(found).items()}
            for task, found in targets.items()
        }
        return {"why": None, "gain": total.to_json(), "targets": by_target}

    def _why_not(self, name: str, base: str) -> str | None:
        if why := self.rows[name].why_incomplete:
            return why
        if why := self.rows[base].why_incomplete:
            return f"{base}: {why}"
        if Environment.of(self.rows[name].setup) != Environment.of(self.rows[base].setup):
            return f"made with another backbone, or other libraries, than {base}"
        return None

    def _scores(self, name: str) -> dict[str, TargetScores]:
        cells = self.rows[name].cells
        found = {}
        for target in self.targets:
            mine = [cells[target, seed] for seed in self.seeds]
            metric = self.metrics[target]
            units = np.array([cell.resamples for cell in mine]) * RESAMPLE_UNIT  # [S, R]
            found[target] = TargetScores(
                scores=np.array([comparable(cell.score, metric) for cell in mine]),
                resampled=comparable(units, metric),
            )
        return found


def _row(settings: ScienceSettings, layout: Layout, name: str) -> _Row:
    sweep = Sweep(settings, layout, name)
    recorded = read_cells(layout.cells(name))
    if sweep.chosen is None:
        if recorded is not None and recorded.cells:
            sweep.require()  # cells of settings that nothing has chosen
        return _Row(cells={}, setup={}, setting=None, why_incomplete="not tuned")
    current = current_cells(settings, layout, name)
    total = len(settings.gym.targets) * len(settings.gym.seeds)
    missing = total - len(current.cells)
    return _Row(
        cells=current.cells,
        setup=current.setup,
        setting=dict(sweep.method.sweep[sweep.chosen].values),
        why_incomplete=f"{missing} of {total} cells are missing" if missing else None,
    )


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 2) if values else None


def _distinct(rows: Mapping[str, _Row], part: Any) -> list[Any]:
    return sorted({part(row) for row in rows.values() if row.cells})


def _others(rows: Mapping[str, _Row]) -> Json:
    """Return libraries and processor where they are not all those of the first results."""
    found = {
        name: _distinct(rows, lambda row, name=name: getattr(Environment.of(row.setup), name))
        for name in FIRST
    }
    return {name: found[name] for name in found if found[name] != [FIRST[name]]}


def describe(table: Json) -> str:
    """Return a line a method with its gain and companions."""
    rows = {**table["methods"], **table.get("references", {})}
    width = max(map(len, rows))
    head = f"{'method':{width}}    PTG  95% interval    median  of means  below  hurt  mean score"
    return "\n".join([head, *(_line(name, row, width) for name, row in rows.items())])


def _line(name: str, row: Json, width: int) -> str:
    gain = row["ptg"]
    if gain is None:
        return f"{name:{width}}  {row['why']}"
    low, high = gain["ci95"]
    mean = sum(target["score"] for target in row["targets"].values()) / len(row["targets"])
    floored = f"  floor for {gain['num_floored']}" if gain["num_floored"] else ""
    return (
        f"{name:{width}}  {gain['mean_ratio']:.3f}  {low:.3f} to {high:.3f}  "
        f"{gain['median_ratio']:6.3f}  {gain['ratio_of_means']:8.3f}  {gain['share_below']:5.2f}  "
        f"{gain['share_hurt']:4.2f}  {mean:10.3f}{floored}"
    )
