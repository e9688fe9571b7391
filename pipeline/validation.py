"""Check every task of a gym by its suites, and all tasks against each other for leaks."""

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from dpf_core.gym.leak_report import Leak, LeakReport
from dpf_core.gym.leaks import find_leaks
from dpf_core.gym.reader import Manifest, TaskRecord, load_manifest, split_path
from pipeline.validation_config import ValidateConfig
from pipeline.validation_findings import Finding, ordered
from pipeline.validation_gates import GATES
from pipeline.validation_report import GymReport, TaskReport


def validate_gym(gym: Path, config: ValidateConfig) -> GymReport:
    """Return the findings of every gate for every task of a gym.

    Args:
        gym: A folder with manifest.json and the files that it names.
        config: The limits, and the number of processes.

    Raises:
        GymError: The manifest is missing or wrong.
        DPFError: Great Expectations could not evaluate an expectation.
    """
    manifest = load_manifest(gym)
    reports = tuple(_check_all(gym, manifest, config))
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


def _check_all(gym: Path, manifest: Manifest, config: ValidateConfig) -> Iterator[TaskReport]:
    check = partial(_check, gym, manifest, config)
    if config.jobs == 1:
        yield from map(check, manifest.tasks)
        return
    # Importing Great Expectations takes seconds: done by the workers at once, and not here.
    with ProcessPoolExecutor(config.jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(check, manifest.tasks)


def _check(gym: Path, manifest: Manifest, config: ValidateConfig, task: TaskRecord) -> TaskReport:
    from pipeline.validation_run import check_task

    return check_task(gym, manifest, task, config)
