"""How much of CrossFit a gym has: each of its 160 tasks, and why it is not there."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from dpf_core.gym.manifest import VERIFIED, Manifest
from dpf_core.gym.official import official_tasks

DIFFERS, MISSING, FAILED, NOT_CHOSEN = "differs", "source missing", "failed", "not chosen"
STATES = (VERIFIED, DIFFERS, MISSING, FAILED, NOT_CHOSEN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """What became of one of CrossFit's tasks."""

    name: str
    state: str
    """One of `STATES`: all official files have its bytes, some differ, the source could not be had,
    its rows do not fit, or the task was not asked for."""
    matching: int
    """How many of the task's official files have CrossFit's bytes."""
    reason: str
    """Why it is not verified; empty if it is."""

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return asdict(self)


def coverage(manifest: Manifest) -> list[Coverage]:
    """Return what became of each of CrossFit's tasks, by name."""
    found = {task.name: task for task in manifest.tasks if task.official is not None}
    result = []
    for name in official_tasks():
        state, matching, reason = NOT_CHOSEN, 0, "it was not asked for"
        if (task := found.get(name)) and task.official:
            state = VERIFIED if task.status == VERIFIED else DIFFERS
            matching, reason = task.official.matching, task.reason
        elif name in manifest.missing:
            state, reason = MISSING, manifest.missing[name]
        elif name in manifest.failed:
            state, reason = FAILED, manifest.failed[name]
        result.append(Coverage(name=name, state=state, matching=matching, reason=reason))
    return result


def coverage_line(rows: list[Coverage]) -> str:
    """Return one line, such as `60/160 verified, 3/160 differs, 97/160 source missing`."""
    counts = Counter(row.state for row in rows)
    present = [state for state in STATES if counts[state] or state == VERIFIED]
    return ", ".join(f"{counts[state]}/{len(rows)} {state}" for state in present)
