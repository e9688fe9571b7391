"""What a built gym holds, in lines for a terminal."""

from dpf_core.gym.manifest import Manifest


def describe_build(manifest: Manifest, missing: dict[str, str]) -> str:
    """Return a line for each task, a line for each that is missing, and a sum."""
    lines = []
    for task in manifest.tasks:
        official = f" {task.official.matching} of {task.official.of}" if task.official else ""
        left_out = "".join(f", left out {count} ({why})" for why, count in task.dropped.items())
        lines.append(
            f"{task.name}: {task.rows.full_train} train and {task.rows.test} test rows, "
            f"{task.status}{official}{left_out}"
        )
    lines += [f"{name}: not built, {reason}" for name, reason in missing.items()]
    lines.append(f"{len(manifest.tasks)} tasks built, {len(missing)} missing")
    return "\n".join(lines)
