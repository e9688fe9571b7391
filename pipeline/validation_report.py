"""What was found in a gym, as plain values.

The report has no run ids, times or paths, so equal gyms give equal reports.
"""

import dataclasses
from typing import Any

from dpf_core.gym.leak_report import LeakReport
from dpf_core.gym.manifest import Manifest, TaskRecord
from pipeline.validation_findings import Finding
from pipeline.validation_profile import Profile


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskReport:
    """What was found in one task."""

    task: TaskRecord
    profile: Profile
    findings: tuple[Finding, ...]

    def of(self, severity: str) -> tuple[Finding, ...]:
        """Return the findings of one severity, critical or warning."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    @property
    def passed(self) -> bool:
        """Whether nothing critical was found."""
        return not self.of("critical")

    def to_json(self) -> dict[str, Any]:
        """Return the report as data/metrics/validate.json holds it."""
        return {
            "name": self.task.name,
            "passed": self.passed,
            "rows": self.profile.rows,
            "critical": [finding.to_json() for finding in self.of("critical")],
            "warnings": [finding.to_json() for finding in self.of("warning")],
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class GymReport:
    """What was found in all tasks of a gym."""

    manifest: Manifest
    tasks: tuple[TaskReport, ...]
    leaks: LeakReport | None
    """None if files are missing, without which leaks cannot be looked for."""

    def of(self, severity: str) -> tuple[Finding, ...]:
        """Return the findings of one severity over all tasks."""
        return tuple(finding for task in self.tasks for finding in task.of(severity))

    def to_json(self) -> dict[str, Any]:
        """Return the report as data/metrics/validate.json holds it."""
        return {
            "num_critical": len(self.of("critical")),
            "num_warnings": len(self.of("warning")),
            "tasks": [task.to_json() for task in self.tasks],
            "leaks": None if self.leaks is None else self.leaks.to_json(),
        }
