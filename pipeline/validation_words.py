"""Findings as lines for a terminal."""

import sys
from pathlib import Path

from pipeline.validation_report import GymReport


def say_findings(report: GymReport, page: Path) -> None:
    """Print each finding, critical ones to the error stream, and a sum."""
    critical, warnings = report.of("critical"), report.of("warning")
    for finding in warnings:
        print(f"warning: {finding.sentence()}")
    for finding in critical:
        print(f"critical: {finding.sentence()}", file=sys.stderr)
    counts = f"{_count(len(critical), 'critical finding')}, {_count(len(warnings), 'warning')}"
    print(f"{_count(len(report.tasks), 'task')}: {counts} ({page})")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
