"""Run the suites over a gym and report what they found.

The report has no run ids, times or paths, so equal gyms give equal reports.
"""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.data_context.types.base import ProgressBarsConfig

from dpf_core.errors import DPFError
from dpf_core.gym.reader import TaskRecord, load_manifest
from pipeline.expectations import file_suite, row_suite
from pipeline.validation_config import ValidateConfig
from pipeline.validation_findings import SPLITS, Finding, file_findings, ordered, row_findings
from pipeline.validation_table import RowTable, file_table, row_table


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskReport:
    """What was found in one task."""

    task: TaskRecord
    rows: dict[str, int]
    """Split -> rows checked; files of one split with the same bytes count once."""
    labels: dict[str, int]
    """Label -> rows of full_train; empty for tasks without labels."""
    findings: tuple[Finding, ...]

    def of(self, severity: str) -> tuple[Finding, ...]:
        """Return the findings of one severity, critical or warning."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    @property
    def passed(self) -> bool:
        """Whether nothing critical was found."""
        return not self.of("critical")


@dataclasses.dataclass(frozen=True)
class GymReport:
    """What was found in all tasks of a gym."""

    tasks: tuple[TaskReport, ...]

    def of(self, severity: str) -> tuple[Finding, ...]:
        """Return the findings of one severity over all tasks."""
        return tuple(finding for task in self.tasks for finding in task.of(severity))

    def to_json(self) -> dict[str, Any]:
        """Return the report as data/metrics/validate.json holds it."""
        return {
            "num_critical": len(self.of("critical")),
            "num_warnings": len(self.of("warning")),
            "tasks": [
                {
                    "name": report.task.name,
                    "passed": report.passed,
                    "rows": report.rows,
                    "critical": [finding.to_json() for finding in report.of("critical")],
                    "warnings": [finding.to_json() for finding in report.of("warning")],
                }
                for report in self.tasks
            ],
        }


def validate_gym(gym: Path, config: ValidateConfig) -> GymReport:
    """Return the findings of every gate for every task of a gym.

    Args:
        gym: A folder with manifest.json and the files that it names.
        config: The limits.

    Raises:
        GymError: The manifest is missing or wrong.
        DPFError: Great Expectations could not evaluate an expectation.
    """
    manifest = load_manifest(gym)
    batch = batch_definition()
    files = file_table(gym, manifest)
    about_files = list(file_findings(failed_results(batch, files, file_suite()), files))
    reports = []
    for task in manifest.tasks:
        table = row_table(gym, manifest, task)
        of_task = [finding for finding in about_files if finding.task == task.name]
        reports.append(_task_report(batch, table, task, of_task, config))
    return GymReport(tuple(reports))


def batch_definition() -> BatchDefinition[Any]:
    """Return a handle by which Great Expectations reads tables in memory, leaving no files."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("gym").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("all")


def failed_results(
    batch: BatchDefinition[Any], table: pd.DataFrame, suite: gx.ExpectationSuite
) -> list[Any]:
    """Return Great Expectations' results that are not a success, each with all row positions.

    Raises:
        DPFError: An expectation could not be evaluated, which would otherwise pass for bad data.
    """
    outcome = batch.get_batch({"dataframe": table}).validate(
        suite, result_format={"result_format": "COMPLETE"}
    )
    failed = [result for result in outcome.results if not result.success]
    for result in failed:
        _refuse_exception(result, suite.name)
    return failed


def _refuse_exception(result: Any, suite: str) -> None:
    info = result.exception_info or {}
    for entry in [info, *(value for value in info.values() if isinstance(value, dict))]:
        if entry.get("raised_exception"):
            config = result.expectation_config
            raise DPFError(
                f"{config.type} must be computable on the table of {suite}, got "
                f"{entry['exception_message']!r} (gate {config.meta['gate']}). "
                "Check the installed versions of great-expectations and pandas."
            )


def _task_report(
    batch: BatchDefinition[Any],
    table: RowTable,
    task: TaskRecord,
    about_files: list[Finding],
    config: ValidateConfig,
) -> TaskReport:
    rows = table.rows
    failed = failed_results(batch, rows, row_suite(task, config))
    sizes = Counter(rows["split"])
    labels = Counter(rows.loc[rows["split"] == "full_train", "output"])
    return TaskReport(
        task=task,
        rows={split: sizes[split] for split in SPLITS},
        labels={label: labels[label] for label in task.labels or ()},
        findings=ordered([*about_files, *row_findings(failed, table, task)]),
    )
