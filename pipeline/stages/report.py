"""Write the run as one self-contained HTML page, for people."""

import sys

from pipeline.paths import REPORT
from pipeline.pipes import report as report_to_dagster
from pipeline.refusals import in_one_sentence
from pipeline.report import ReportInputs, write_report
from pipeline.steady import steady


@in_one_sentence("report")
@steady()
def main() -> int:
    """Write data/report/index.html and return the exit code."""
    page = write_report(ReportInputs(), REPORT)
    print(f"report: {page}")
    report_to_dagster({"bytes": page.stat().st_size})
    return 0


if __name__ == "__main__":
    sys.exit(main())
