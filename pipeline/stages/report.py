"""Write the run as one self-contained HTML page, for people."""

import sys

from dpf_core.errors import DPFError
from pipeline.paths import REPORT
from pipeline.pipes import report as report_to_dagster
from pipeline.report import ReportInputs, write_report


def main() -> int:
    """Write data/report/index.html and return the exit code."""
    try:
        page = write_report(ReportInputs(), REPORT)
    except (DPFError, OSError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    print(f"report: {page}")
    report_to_dagster({"bytes": page.stat().st_size})
    return 0


if __name__ == "__main__":
    sys.exit(main())
