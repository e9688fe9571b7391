"""Findings: what Great Expectations' failed results say, with task, file and line numbers."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from dpf_core.gym.reader import TaskRecord
from dpf_core.naming import nearest
from pipeline.validation_gates import GATES
from pipeline.validation_table import RowTable

MAX_ROWS = 20
"""Line numbers given in a finding; its count is always the full one."""
MAX_EXAMPLES = 5
MAX_EXAMPLE_CHARS = 160
SPLITS = ("full_train", "train", "dev", "test")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One gate that one file did not pass."""

    task: str
    gate: str
    severity: str
    split: str
    file: str
    count: int
    """Rows concerned; for a missing label, the labels; for a whole file, 1."""
    detail: str
    rows: tuple[int, ...] = ()
    """The first MAX_ROWS line numbers, from 1; empty where the finding is about the whole file."""
    examples: tuple[tuple[int, str], ...] = ()
    """Line number and shortened text, for people; not in the JSON report."""

    def to_json(self) -> dict[str, Any]:
        """Return the finding as data/metrics/validate.json holds it."""
        return {
            "expectation": self.gate,
            "split": self.split,
            "file": self.file,
            "rows": list(self.rows),
            "count": self.count,
            "detail": self.detail,
        }

    def sentence(self) -> str:
        """Return task, split, file, rows, fault and cure in one sentence or two."""
        lines = f", line {', '.join(map(str, self.rows))}" if self.rows else ""
        more = ", ..." if self.rows and self.count > len(self.rows) else ""
        place = f"task {self.task}, split {self.split} ({self.file}){lines}{more}"
        return f"{place}: {self.detail}. {GATES[self.gate].cure}"


def file_findings(failed: Iterable[Any], files: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each file of the file table that did not pass."""
    for result in failed:
        config = result.expectation_config
        for position in result.result["unexpected_index_list"]:
            row = files.iloc[position]
            yield Finding(
                task=row["task"],
                gate=config.meta["gate"],
                severity=config.severity,
                split=row["split"],
                file=row["file"],
                count=1,
                detail=f"the file {GATES[config.meta['gate']].fault}",
            )


def row_findings(failed: Iterable[Any], table: RowTable, task: TaskRecord) -> list[Finding]:
    """Return a finding for each gate and file of a task's row table, the most severe alone."""
    found: dict[Finding, Finding] = {}
    for finding in _findings(failed, table, task):
        same = dataclasses.replace(finding, severity="")
        if same not in found or finding.severity == "critical":
            found[same] = finding
    return list(found.values())


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in an order of their own: severity, gate as declared, split, file."""
    gates = list(GATES)

    def key(finding: Finding) -> tuple[Any, ...]:
        place = (SPLITS.index(finding.split), finding.file, finding.detail)
        return (finding.severity, gates.index(finding.gate), *place)

    return tuple(sorted(findings, key=key))


def _findings(failed: Iterable[Any], table: RowTable, task: TaskRecord) -> Iterator[Finding]:
    for result in failed:
        if result.expectation_config.meta["gate"] == "label_in_train":
            yield _missing_labels(result, table.rows, task)
            continue
        bad = table.rows.iloc[result.result["unexpected_index_list"]]
        for _, rows in bad.groupby("file", sort=False):
            yield _bad_rows(result.expectation_config, rows, table, task)


def _missing_labels(result: Any, rows: pd.DataFrame, task: TaskRecord) -> Finding:
    file = result.expectation_config.meta["file"]
    in_file = rows[rows["file"] == file]
    labels = task.labels or ()
    missing = [label for label in labels if label not in set(in_file["output"])]
    return Finding(
        task=task.name,
        gate="label_in_train",
        severity=result.expectation_config.severity,
        split=in_file["split"].iloc[0],
        file=file,
        count=len(missing),
        detail=f"{len(missing)} of {len(labels)} labels have no row: {_quoted(missing)}",
    )


def _bad_rows(config: Any, bad: pd.DataFrame, table: RowTable, task: TaskRecord) -> Finding:
    file, split = bad["file"].iloc[0], bad["split"].iloc[0]
    total = int((table.rows["file"] == file).sum())
    gate = GATES[config.meta["gate"]]
    column = gate.shows or config.kwargs["column"]
    twins = len(table.twins.get(file, ()))
    parts = [
        f"{len(bad):,} of {total:,} rows ({len(bad) / total:.1%}) {gate.fault}",
        _evidence(bad, column, task),
        f"the same bytes are in {twins} more files" if twins else "",
    ]
    shown = bad.sort_values(["input", "line"]).head(MAX_EXAMPLES)
    return Finding(
        task=task.name,
        gate=config.meta["gate"],
        severity=config.severity,
        split=split,
        file=file,
        count=len(bad),
        detail="; ".join(part for part in parts if part),
        rows=tuple(bad["line"].head(MAX_ROWS).tolist()),
        examples=tuple(zip(shown["line"].tolist(), map(_example, shown.itertuples()), strict=True)),
    )


def _evidence(bad: pd.DataFrame, column: str, task: TaskRecord) -> str:
    values = Counter(bad[column].dropna())
    if column == "input":
        return f"{len(values):,} different inputs"
    if column == "num_fields":
        return f"found {', '.join(map(str, sorted(values)))} fields in place of 2"
    if column != "output":
        return ""
    shown = [
        f"{_short(value)!r} in {count:,}{_hint(value, task.labels or ())}"
        for value, count in values.most_common(3)
    ]
    return ", ".join(shown) + (", ..." if len(values) > len(shown) else "")


def _hint(value: str, labels: tuple[str, ...]) -> str:
    hint = "" if value in labels else nearest(value, labels)
    return f" ({hint.strip()})" if hint else ""


def _example(row: Any) -> str:
    if not isinstance(row.input, str):
        return f"a line of {row.num_fields} fields" if row.is_utf8 else "a line that is not UTF-8"
    return f"{_short(row.input)} → {_short(row.output)}"


def _short(text: str) -> str:
    return text if len(text) <= MAX_EXAMPLE_CHARS else text[: MAX_EXAMPLE_CHARS - 1] + "…"


def _quoted(labels: list[str]) -> str:
    return ", ".join(repr(label) for label in labels)
