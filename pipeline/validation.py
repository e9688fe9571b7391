"""Check every task of a gym by its suites, and all tasks against each other for leaks."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from dpf_core.errors import GymError
from dpf_core.gym.leak_report import Leak, LeakReport
from dpf_core.gym.leaks import find_leaks
from dpf_core.gym.reader import Manifest, TaskRecord, load_manifest, split_path
from dpf_core.gym.workers import Call, run_calls
from pipeline.validation_config import ValidateConfig
from pipeline.validation_findings import Finding, ordered
from pipeline.validation_gates import GATES
from pipeline.validation_memory import forget, recall, remember, report_key
from pipeline.validation_report import GymReport, TaskReport


def validate_gym(gym: Path, config: ValidateConfig, memory: Path | None = None) -> GymReport:
    """Return the findings of every gate for every task of a gym.

    Args:
        gym: A folder with manifest.json and the files that it names.
        config: The limits, and the number of processes.
        memory: A folder of reports; those of unchanged tasks are taken from there. The result is
            the same.

    Raises:
        GymError: The manifest is missing or wrong.
        DPFError: Great Expectations could not evaluate an expectation.
    """
    manifest = load_manifest(gym)
    reports = tuple(_check_all(gym, manifest, config, memory))
    gates = {finding.gate for report in reports for finding in report.findings}
    if "file_present" in gates:
        return GymReport(manifest=manifest, tasks=reports, leaks=None)
    leaks = find_leaks(gym, min_similarity=config.leak_similarity, jobs=config.jobs)
    leaking = leak_findings(gym, leaks, manifest, config)
    return GymReport(
        manifest=manifest,
        tasks=tuple(
            dataclasses.replace(
                report,
                findings=ordered(
                    [*report.findings, *(f for f in leaking if f.task == report.task.name)]
                ),
            )
            for report in reports
        ),
        leaks=leaks,
    )


def leak_findings(
    gym: Path, leaks: LeakReport, manifest: Manifest, config: ValidateConfig
) -> list[Finding]:
    """Return a warning for each task and each other task that is trained on its test rows."""
    return [
        _leak_finding(leak, _test_file(gym, manifest, leak.target))
        for leak in leaks.leaks
        if leak.test.share > config.warn_leak_fraction
    ]


def _test_file(gym: Path, manifest: Manifest, task: str) -> str:
    return split_path(gym, manifest.task(task), "test", manifest.seeds[0]).name


def _leak_finding(leak: Leak, file: str) -> Finding:
    count, rows = leak.test.same + leak.test.near, leak.test.rows
    return Finding(
        task=leak.target,
        gate="leak",
        severity=GATES["leak"].severity,
        split="test",
        file=file,
        count=count,
        detail=f"{count:,} of {rows:,} rows ({leak.test.share:.1%}) are in the training rows of "
        f"{leak.source}, {leak.test.same:,} of them word for word; line {leak.examples[0][0]} is "
        f"there in line {leak.examples[0][1]}",
        rows=tuple(line for line, _ in leak.examples),
    )


def _check_all(
    gym: Path, manifest: Manifest, config: ValidateConfig, memory: Path | None
) -> Iterator[TaskReport]:
    """Yield the report of every task in order: recalled ones as they are, the others checked."""
    keys = {task.name: report_key(gym, manifest, task, config) for task in manifest.tasks}
    reports = {
        task.name: report
        for task in manifest.tasks
        if memory and (report := recall(memory, task, keys[task.name]))
    }
    # Importing Great Expectations takes seconds: the workers do it at the same time.
    calls = [
        Call(task.name, _check, (gym, manifest, task, config))
        for task in manifest.tasks
        if task.name not in reports
    ]
    for name, result, _ in run_calls(calls, config.jobs):
        if isinstance(result, GymError):
            raise result
        reports[name] = result
        if memory:
            remember(memory, result, keys[name])
    if memory:
        forget(memory, others_than=keys)
    yield from (reports[task.name] for task in manifest.tasks)


def _check(gym: Path, manifest: Manifest, task: TaskRecord, config: ValidateConfig) -> TaskReport:
    from pipeline.validation_run import check_task

    return check_task(gym, manifest, task, config)
