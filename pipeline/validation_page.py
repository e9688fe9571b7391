"""The validation report as one HTML file that needs nothing else: no network, no scripts.

Texts of the gym are data here: they reach the template as escaped values and are never templates.
"""

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from pipeline.validation import GymReport, TaskReport
from pipeline.validation_config import ValidateConfig
from pipeline.validation_findings import SPLITS, Finding
from pipeline.validation_gates import GATES

_TEMPLATES = Path(__file__).parent / "templates"


def render_validation_page(report: GymReport, config: ValidateConfig) -> str:
    """Return the page: an overview, one section a task, and what is checked."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = "{:,}".format
    environment.filters["code"] = _code
    environment.filters["percent"] = "{:.1%}".format
    return environment.get_template("validation.html.j2").render(
        tasks=[_task(task) for task in report.tasks],
        num_critical=len(report.of("critical")),
        num_warnings=len(report.of("warning")),
        num_failed=sum(not task.passed for task in report.tasks),
        num_rows=sum(sum(task.rows.values()) for task in report.tasks),
        splits=SPLITS,
        gates=_gates(report, config),
    )


def _code(text: str) -> Markup:
    """Return escaped text in which what stood between backticks is set as code."""
    parts = enumerate(text.split("`"))
    return Markup().join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
        for index, part in parts
    )


def _task(report: TaskReport) -> dict[str, Any]:
    task = report.task
    return {
        "name": task.name,
        "kind": task.kind.replace("_", " "),
        "category": task.category,
        "provenance": task.provenance,
        "description": task.description,
        "rows": report.rows,
        "labels": _label_shares(report.labels),
        "state": "failed" if not report.passed else "warned" if report.findings else "passed",
        "num_critical": len(report.of("critical")),
        "num_warnings": len(report.of("warning")),
        "findings": [_finding(finding) for finding in report.findings],
    }


def _label_shares(labels: dict[str, int]) -> list[dict[str, Any]]:
    total = sum(labels.values())
    return [
        {"label": label, "rows": rows, "share": rows / total if total else 0.0}
        for label, rows in labels.items()
    ]


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "title": GATES[finding.gate].title,
        "cure": GATES[finding.gate].cure,
        "severity": finding.severity,
        "split": finding.split,
        "file": finding.file,
        "detail": finding.detail,
        "lines": ", ".join(map(str, finding.rows)),
        "more": finding.count - len(finding.rows) if finding.rows else 0,
        "examples": finding.examples,
    }


def _gates(report: GymReport, config: ValidateConfig) -> list[dict[str, Any]]:
    limits = {
        "label_balance": f"warning below {config.min_label_fraction:.1%} of full_train",
        "long_text": f"warning above {config.max_chars:,} characters",
        "duplicate_rows": f"warning above {config.warn_duplicate_fraction:.1%} of a file",
        "conflicting_rows": f"warning; critical above {config.max_conflict_fraction:.1%} of a file",
        "test_overlap": f"warning above {config.warn_overlap_fraction:.1%} of the test rows",
    }
    found = [
        finding.gate for severity in ("critical", "warning") for finding in report.of(severity)
    ]
    return [
        {"title": gate.title, "limit": limits.get(name, gate.severity), "count": found.count(name)}
        for name, gate in GATES.items()
    ]
