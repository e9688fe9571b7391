"""Check every task of the gym; critical findings stop the pipeline, warnings are reported."""

import sys

from dpf_core.files import write_json
from pipeline.params import load_section
from pipeline.paths import GYM, VALIDATE_METRICS, VALIDATION, VALIDATION_MEMORY
from pipeline.pipes import report as report_to_dagster
from pipeline.refusals import in_one_sentence
from pipeline.steady import steady
from pipeline.validation import validate_gym
from pipeline.validation_config import ValidateConfig
from pipeline.validation_page import write_pages
from pipeline.validation_report import GymReport
from pipeline.validation_words import say_findings


@in_one_sentence("validate")
@steady()
def main() -> int:
    """Validate data/gym, write the JSON report and the pages, and return the exit code."""
    config = ValidateConfig.from_section(load_section("validate"))
    report = validate_gym(GYM, config, memory=VALIDATION_MEMORY)
    _write(report, config)
    say_findings(report, VALIDATION / "index.html")
    counts = {severity: len(report.of(severity)) for severity in ("critical", "warning")}
    report_to_dagster({"tasks": len(report.tasks), **counts})
    return 1 if counts["critical"] else 0


def _write(report: GymReport, config: ValidateConfig) -> None:
    write_pages(report, config, VALIDATION)
    VALIDATE_METRICS.parent.mkdir(parents=True, exist_ok=True)
    write_json(VALIDATE_METRICS, report.to_json())


if __name__ == "__main__":
    sys.exit(main())
