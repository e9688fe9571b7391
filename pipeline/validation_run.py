"""Run the suites over the tables of one task.

Importing this imports Great Expectations, which takes seconds.
"""

from functools import cache
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.data_context.types.base import ProgressBarsConfig

from dpf_core.errors import DPFError
from dpf_core.gym.reader import Manifest, TaskRecord
from pipeline.expectations import file_suite, row_suite
from pipeline.validation_config import ValidateConfig
from pipeline.validation_findings import file_findings, ordered, row_findings
from pipeline.validation_profile import profile
from pipeline.validation_report import TaskReport
from pipeline.validation_table import file_table, row_table


def check_task(
    gym: Path, manifest: Manifest, task: TaskRecord, config: ValidateConfig
) -> TaskReport:
    """Return the findings of every gate for one task, and its profile.

    Raises:
        GymError: No suite is known for the task's kind.
        DPFError: Great Expectations could not evaluate an expectation.
    """
    files = file_table(gym, manifest, task, config.max_rows)
    table = row_table(gym, manifest, task, config.max_rows)
    about_files = file_findings(failed_results(files, file_suite()), files)
    about_rows = row_findings(failed_results(table.rows, row_suite(task, config)), table, task)
    return TaskReport(
        task=task, profile=profile(table.rows, task), findings=ordered([*about_files, *about_rows])
    )


@cache
def _tables() -> BatchDefinition[Any]:
    """Return a handle by which Great Expectations reads tables in memory, leaving no files."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("gym").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("all")


def failed_results(table: pd.DataFrame, suite: gx.ExpectationSuite) -> list[Any]:
    """Return Great Expectations' results that are not a success, each with all row positions.

    Raises:
        DPFError: An expectation could not be evaluated, which would otherwise pass for bad data.
    """
    outcome = (
        _tables()
        .get_batch({"dataframe": table})
        .validate(suite, result_format={"result_format": "COMPLETE"})
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
