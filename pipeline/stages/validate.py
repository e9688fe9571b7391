"""Check every task of the gym; critical findings stop the pipeline, warnings are reported."""

import sys

from dpf_core.errors import DPFError
from dpf_core.files import write_json, write_text_atomic
from pipeline.params import load_section
from pipeline.paths import GYM, VALIDATE_METRICS, VALIDATION
from pipeline.pipes import report as report_to_dagster
from pipeline.validation import GymReport, validate_gym
from pipeline.validation_config import ValidateConfig
from pipeline.validation_page import render_validation_page


def main() -> int:
    """Validate data/gym, write the JSON report and the page, and return the exit code."""
    try:
        config = ValidateConfig.from_section(load_section("validate"))
        report = validate_gym(GYM, config)
        _write(report, config)
    except (DPFError, OSError) as error:
        print(f"validate: {error}", file=sys.stderr)
        return 1
    _say(report)
    critical, warnings = report.of("critical"), report.of("warning")
    report_to_dagster(
        {"tasks": len(report.tasks), "critical": len(critical), "warnings": len(warnings)}
    )
    return 1 if critical else 0


def _write(report: GymReport, config: ValidateConfig) -> None:
    VALIDATION.mkdir(parents=True, exist_ok=True)
    VALIDATE_METRICS.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomic(VALIDATION / "index.html", render_validation_page(report, config))
    write_json(VALIDATE_METRICS, report.to_json())


def _say(report: GymReport) -> None:
    critical, warnings = report.of("critical"), report.of("warning")
    for finding in warnings:
        print(f"warning: {finding.task}, {finding.split} ({finding.file}): {finding.detail}")
    for finding in critical:
        print(f"critical: {finding.sentence()}", file=sys.stderr)
    print(
        f"{len(report.tasks)} tasks: {len(critical)} critical findings, {len(warnings)} warnings "
        f"({VALIDATION / 'index.html'})"
    )


if __name__ == "__main__":
    sys.exit(main())
