"""Check every task of the gym; critical findings stop the pipeline, warnings are reported."""

import sys
from collections.abc import Sized

from dpf_core.files import write_json
from pipeline.params import load_section
from pipeline.paths import CHECKPOINTS, GYM, VALIDATE_METRICS, VALIDATION
from pipeline.pipes import report as report_to_dagster
from pipeline.refusals import in_one_sentence
from pipeline.validation import validate_gym
from pipeline.validation_config import ValidateConfig
from pipeline.validation_page import write_pages
from pipeline.validation_report import GymReport


@in_one_sentence("validate")
def main() -> int:
    """Validate data/gym, write the JSON report and the pages, and return the exit code."""
    config = ValidateConfig.from_section(load_section("validate"))
    report = validate_gym(GYM, config, memory=CHECKPOINTS / "validate")
    _write(report, config)
    _say(report)
    counts = {severity: len(report.of(severity)) for severity in ("critical", "warning")}
    report_to_dagster({"tasks": len(report.tasks), **counts})
    return 1 if counts["critical"] else 0


def _write(report: GymReport, config: ValidateConfig) -> None:
    write_pages(report, config, VALIDATION)
    VALIDATE_METRICS.parent.mkdir(parents=True, exist_ok=True)
    write_json(VALIDATE_METRICS, report.to_json())


def _say(report: GymReport) -> None:
    critical, warnings = report.of("critical"), report.of("warning")
    for finding in warnings:
        print(f"warning: {finding.sentence()}")
    for finding in critical:
        print(f"critical: {finding.sentence()}", file=sys.stderr)
    counts = f"{_count(critical, 'critical finding')}, {_count(warnings, 'warning')}"
    print(f"{_count(report.tasks, 'task')}: {counts} ({VALIDATION / 'index.html'})")


def _count(items: Sized, noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


if __name__ == "__main__":
    sys.exit(main())
