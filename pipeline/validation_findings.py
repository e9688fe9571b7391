"""Findings: what Great Expectations' failed results say, with task, file and line numbers."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from dpf_core.gym.reader import TaskRecord
from dpf_core.naming import nearest
from pipeline.validation_gates import GATES
from pipeline.validation_profile import SPLITS
from pipeline.validation_table import RowTable

MAX_ROWS = 20
"""Line numbers given in a finding; its count is always the full one."""
MAX_EXAMPLES = 5
_SAMPLES = ("train", "dev")
MAX_EXAMPLE_CHARS = 160


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One gate that one file did not pass."""

    task: str
    gate: str
    severity: str
    split: str
    file: str
    count: int
    """Rows concerned; for a missing label the labels, for a whole file its unchecked rows or 1."""
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
        line = "lines" if len(self.rows) > 1 else "line"
        lines = f", {line} {', '.join(map(str, self.rows))}" if self.rows else ""
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
                severity=config.severity.value,
                split=row["split"],
                file=row["file"],
                count=max(int(row["unchecked_rows"]), 1),
                detail=f"the file {GATES[config.meta['gate']].fault}",
            )


def row_findings(failed: Iterable[Any], table: RowTable, task: TaskRecord) -> list[Finding]:
    """Return a finding for each gate and file of a task's row table, the most severe alone.

    Few-shot rows are drawn from full_train, whose warnings are not repeated for them.
    """
    found: dict[Finding, Finding] = {}
    for finding in _findings(failed, table, task):
        same = dataclasses.replace(finding, severity="")
        if same not in found or finding.severity == "critical":
            found[same] = finding
    told = {finding.gate for finding in found.values() if finding.split == "full_train"}
    return [
        finding
        for finding in found.values()
        if finding.severity == "critical"
        or finding.split not in _SAMPLES
        or finding.gate not in told
    ]


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in an order of their own: severity, gate as declared, split, file."""
    gates = list(GATES)

    def key(finding: Finding) -> tuple[Any, ...]:
        place = (SPLITS.index(finding.split), finding.file, finding.detail)
        return (finding.severity, gates.index(finding.gate), *place)

    return tuple(sorted(findings, key=key))


def _findings(failed: Iterable[Any], table: RowTable, task: TaskRecord) -> Iterator[Finding]:
    for result in failed:
        config = result.expectation_config
        of_file = _missing_labels if config.meta["gate"] == "label_in_train" else _bad_rows
        bad = table.rows.iloc[result.result["unexpected_index_list"]]
        for _, rows in bad.groupby("file", sort=False):
            yield of_file(config, rows, table, task)


def _missing_labels(config: Any, rows: pd.DataFrame, _: RowTable, task: TaskRecord) -> Finding:
    labels = task.labels or ()
    missing = [label for label in labels if label not in set(rows["output"])]
    return Finding(
        task=task.name,
        gate="label_in_train",
        severity=config.severity.value,
        split=rows["split"].iloc[0],
        file=rows["file"].iloc[0],
        count=len(missing),
        detail=f"{len(missing)} of {len(labels)} labels have no row: "
        + ", ".join(map(repr, missing)),
    )


def _bad_rows(config: Any, bad: pd.DataFrame, table: RowTable, task: TaskRecord) -> Finding:
    file, split = bad["file"].iloc[0], bad["split"].iloc[0]
    total = int((table.rows["file"] == file).sum())
    gate = GATES[config.meta["gate"]]
    twins = len(table.twins.get(file, ()))
    parts = [
        f"{len(bad):,} of {total:,} rows ({_share(len(bad), total)}) {gate.fault}",
        _evidence(bad, config, task.labels or ()),
        f"the same bytes are in {twins} more file{'s' if twins > 1 else ''}" if twins else "",
    ]
    shown = bad.sort_values(["input", "line"]).head(MAX_EXAMPLES)
    return Finding(
        task=task.name,
        gate=config.meta["gate"],
        severity=config.severity.value,
        split=split,
        file=file,
        count=len(bad),
        detail="; ".join(part for part in parts if part),
        rows=tuple(bad["line"].head(MAX_ROWS).tolist()),
        examples=tuple(zip(shown["line"].tolist(), map(_example, shown.itertuples()), strict=True)),
    )


def _evidence(bad: pd.DataFrame, config: Any, labels: tuple[str, ...]) -> str:
    shows = GATES[config.meta["gate"]].shows
    if shows is None:
        column = config.kwargs["column"]
        return f"in the {column}" if column in ("input", "output") else ""
    values = Counter(bad[shows])
    if shows == "input":
        return f"{len(values):,} different input{'s' if len(values) > 1 else ''}"
    if shows == "num_fields":
        return f"found {', '.join(str(int(value)) for value in sorted(values))} fields, not 2"
    shown = [
        f"{_short(value)!r} in {count:,} row{'s' if count > 1 else ''}{_hint(value, labels)}"
        for value, count in values.most_common(3)
    ]
    return ", ".join(shown) + (", ..." if len(values) > len(shown) else "")


def _hint(value: str, labels: tuple[str, ...]) -> str:
    hint = "" if value in labels else nearest(value, labels)
    return f" ({hint.strip()})" if hint else ""


def _example(row: Any) -> str:
    if row.is_excused or not row.is_utf8:
        return "a line that is not UTF-8" if not row.is_utf8 else "a part of a row"
    if not isinstance(row.input, str):
        return f"a line of {int(row.num_fields)} field{'s' if row.num_fields > 1 else ''}"
    return f"{_short(row.input)} → {_short(row.output)}"


def _share(count: int, total: int) -> str:
    return f"{count / total:.1%}" if count * 1000 >= total else "< 0.1%"


def _short(text: str) -> str:
    return text if len(text) <= MAX_EXAMPLE_CHARS else text[: MAX_EXAMPLE_CHARS - 1] + "…"
