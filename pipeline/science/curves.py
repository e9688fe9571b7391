"""What studies say, from records alone: each point's score, and its distance from the default.

A figure is computed from all cells of a point, or not at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpf_core.files import write_json
from pipeline.science.environment import Environment
from pipeline.science.keys import Json
from pipeline.science.layout import Layout
from pipeline.science.records import Cells, is_current, read_cells, read_record
from pipeline.science.settings import ScienceSettings
from pipeline.science.settings_file import load_science
from pipeline.science.status import (
    CheckedRows,
    checked_origin,
    checked_rows,
    current_cells,
    recorded_key,
)
from pipeline.science.studies import Point, Studies, Study, variant, varied
from pipeline.science.studies_file import load_studies
from pipeline.science.transfer_gain import Floats, comparable, mean_interval
from pipeline.science.tuning import Sweep

_SOURCE = {"dev_mean_score": "source_dev", "steps": "source_steps", "seconds": "source_seconds"}
"""Parts of a source model's record, and what they are called beside a point."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What is there of one point."""

    cells: Cells
    source: Json
    environment: Environment | None


def write_studies(layout: Layout) -> Json:
    """Write `studies.json` from the records and return it.

    Raises:
        ConfigError: Settings or a record are wrong.
        OSError: The file cannot be written.
    """
    summary = build_studies(layout)
    layout.studies.parent.mkdir(parents=True, exist_ok=True)
    write_json(layout.studies, summary)
    return summary


def build_studies(layout: Layout) -> Json:
    """Return each study with its points as JSON values, in the order of studies.yaml.

    Raises:
        ConfigError: Settings or a record are wrong, or rows were not checked.
    """
    settings = load_science(layout.params)
    studies = load_studies(layout.study_params, settings)
    summary = _Summary(layout, settings, studies, checked_rows(settings, layout))
    return {
        "method": studies.method,
        "gym_manifest_sha256": summary.rows.manifest_sha256,
        "seeds": list(studies.seeds),
        "baseline": settings.gain.baseline,
        "studies": {study.name: summary.study(study) for study in studies.studies.values()},
    }


class _Summary:
    def __init__(
        self, layout: Layout, settings: ScienceSettings, studies: Studies, rows: CheckedRows
    ) -> None:
        self.layout, self.settings, self.studies, self.rows = layout, settings, studies, rows
        self.sweep = Sweep(settings, layout, studies.method)
        baseline = current_cells(settings, layout, settings.gain.baseline)
        environment = Environment.of(baseline.setup) if baseline.cells else None
        self.baseline = _Found(cells=baseline.cells, source={}, environment=environment)

    def study(self, study: Study) -> Json:
        """Return a study's title, targets and points, and what the baseline scores on its cells."""
        found = {point.name: self._found(study, point) for point in study.points}
        default = found[study.default.name]
        baseline = self._scores(study, self.baseline)
        return {
            "title": study.title,
            "kind": study.kind,
            "targets": list(study.targets),
            "baseline_score": None if baseline is None else float(baseline.mean()),
            "default": study.default.name,
            "points": {name: self._point(study, one, default) for name, one in found.items()},
        }

    def _found(self, study: Study, point: Point) -> _Found:
        """Return the recorded cells of a point that follow from settings and checked rows."""
        nothing = _Found(cells={}, source={}, environment=None)
        recorded = read_cells(self.layout.study_cells(study.name, point.name))
        source = read_record(self.layout.study_source(study.name, point.name))
        chosen = self.sweep.chosen
        if recorded is None or source is None or chosen is None:
            return nothing
        settings = variant(self.settings, self.studies, point)
        method, name = varied(self.studies, settings)
        if not is_current(recorded.setup, settings, method, method.sweep[chosen]):
            return nothing
        environment = Environment.of(recorded.setup)
        name_of_method, weights = self.studies.method, environment.backbone_sha256
        if self.sweep.origin != checked_origin(
            self.settings, self.layout, name_of_method, self.rows, weights
        ):
            return nothing
        if recorded.setup["source"]["key"] != recorded_key(source, settings, name, self.rows):
            return nothing
        cells = {
            where: cell
            for where, cell in recorded.cells.items()
            if cell.data == self.rows.data.get(where)
        }
        return _Found(cells=cells, source=source, environment=environment)

    def _scores(self, study: Study, found: _Found) -> Floats | None:
        """Return [T, S] comparable scores, None where a cell is missing."""
        cells = found.cells
        wanted = [[(target, seed) for seed in self.studies.seeds] for target in study.targets]
        if any(where not in cells for row in wanted for where in row):
            return None
        metrics = self.rows.metrics
        return np.array(
            [[comparable(cells[where].score, metrics[where[0]]) for where in row] for row in wanted]
        )

    def _minus(self, study: Study, found: _Found, other: _Found) -> Floats | None:
        """Return differences of scores, None between different backbones or libraries."""
        scores, others = self._scores(study, found), self._scores(study, other)
        if scores is None or others is None or found.environment != other.environment:
            return None
        return scores - others

    def _point(self, study: Study, found: _Found, default: _Found) -> Json:
        wanted = [found.cells.get((t, s)) for t in study.targets for s in self.studies.seeds]
        cells = [cell for cell in wanted if cell is not None]
        seconds = [cell.seconds for cell in cells]
        return {
            "num_cells": len(cells),
            "of": len(wanted),
            **self._figures("score", "ci95", self._scores(study, found)),
            **self._figures("difference", "difference_ci95", self._minus(study, found, default)),
            **self._figures(
                "over_baseline", "over_baseline_ci95", self._minus(study, found, self.baseline)
            ),
            **{name: found.source.get(part) for part, name in _SOURCE.items()},
            "num_trainable": max((cell.num_trainable for cell in cells), default=None),
            "seconds": round(sum(seconds) / len(seconds), 2) if seconds else None,
        }

    def _figures(self, name: str, interval: str, values: Floats | None) -> Json:
        """Return a mean and its interval over targets and seeds."""
        if values is None:
            return {name: None, interval: None}
        gain = self.settings.gain
        bounds = mean_interval(values, num_draws=gain.num_draws, draw_seed=gain.draw_seed)
        return {name: float(values.mean()), interval: list(bounds)}


def describe(studies: Mapping[str, Json]) -> str:
    """Return a line a point, under the name of its study."""
    lines = []
    for name, study in studies.items():
        lines.append(f"{name}: {study['title']}")
        lines += [
            _line(point, found, is_default=point == study["default"])
            for point, found in study["points"].items()
        ]
    return "\n".join(lines)


def _line(name: str, found: Mapping[str, Any], *, is_default: bool) -> str:
    done = f"  {name:>10}  {found['num_cells']:3d} of {found['of']}"
    if found["score"] is None:
        return done
    text = f"{done}  {found['score']:.3f}"
    if is_default or found["difference"] is None:
        return f"{text}  {'default' if is_default else ''}".rstrip()
    low, high = found["difference_ci95"]
    return f"{text}  {found['difference']:+.3f}  {low:+.3f} to {high:+.3f}"
