"""What a built gym holds, in lines for a terminal."""

from dpf_core.gym.coverage import coverage, coverage_line
from dpf_core.gym.manifest import Manifest, TaskRecord


def describe_build(manifest: Manifest) -> str:
    """Return a line for each task, a line for each that is not built, and a sum.

    With tasks of CrossFit a last line says how many of its 160 tasks have its very bytes.
    """
    lines = [_describe_task(task) for task in manifest.tasks]
    for state, reasons in (("missing", manifest.missing), ("failed", manifest.failed)):
        lines += [f"{name}: {state}, {reason}" for name, reason in reasons.items()]
    counts = f"{len(manifest.missing)} missing, {len(manifest.failed)} failed"
    number = len(manifest.tasks)
    lines.append(f"{number} task{'s' if number > 1 else ''} built, {counts}")
    if manifest.missing or any(task.official for task in manifest.tasks):
        lines.append(f"CrossFit: {coverage_line(coverage(manifest))}")
    return "\n".join(lines)


def _describe_task(task: TaskRecord) -> str:
    official = f" {task.official.matching} of {task.official.of}" if task.official else ""
    reason = f", {task.reason}" if task.reason else ""
    left_out = "".join(f", left out {count} ({why})" for why, count in task.dropped.items())
    return (
        f"{task.name}: {task.rows.full_train} train and {task.rows.test} test rows, "
        f"{task.status}{official}{reason}{left_out}"
    )
