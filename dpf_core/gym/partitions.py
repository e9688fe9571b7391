"""CrossFit's published partitions of its tasks into sources and targets of transfer."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

from dpf_core.gym.official import official_tasks

_SIDES = ("train", "dev", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class Partition:
    """Which tasks a pool may learn from, and which show what it can do; each side by name."""

    name: str
    train: tuple[str, ...]
    """Source tasks."""
    dev: tuple[str, ...]
    """Tasks for choosing settings, or the targets where `test` is empty."""
    test: tuple[str, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        """The target tasks. The four partitions that hold one kind out name theirs `dev`."""
        return self.test or self.dev


@cache
def partitions() -> dict[str, Partition]:
    """Return the partitions by CrossFit's short names: `random`, and the seven by kind of task."""
    text = resources.files("dpf_core.gym").joinpath("crossfit", "partitions.tsv")
    rows = list(csv.DictReader(text.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    sides = {task.name: {"random": task.partition} for task in official_tasks().values()}
    for row in rows:
        sides[row.pop("task")] |= row
    return {
        name: Partition(
            name=name,
            **{
                side: tuple(task for task, cells in sides.items() if side in cells[name].split("+"))
                for side in _SIDES
            },
        )
        for name in ("random", *rows[0])
    }
