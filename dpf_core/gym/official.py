"""What CrossFit publishes about its 160 tasks: metric, shots, partition and file fingerprints.

The facts are package data in `crossfit/` (see the note there); rows are not.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

SEEDS = (100, 13, 21, 42, 87)
"""The seeds of CrossFit's five few-shot samples, in its own order."""

FEW_SHOT_SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class OfficialTask:
    """One line of CrossFit's task table."""

    name: str
    metric: str
    shots: int
    partition: str
    """Side of the "random" task partition: train, dev or test."""


@cache
def official_tasks() -> dict[str, OfficialTask]:
    """Return CrossFit's 160 tasks by name."""
    return {
        row["task"]: OfficialTask(
            name=row["task"],
            metric=row["metric"],
            shots=int(row["shots"]),
            partition=row["partition_random"],
        )
        for row in _table("tasks.tsv")
    }


@cache
def _fingerprints() -> dict[str, dict[str, str]]:
    return {row["task"]: row for row in _table("md5.tsv")}


def official_md5(name: str) -> dict[str, str]:
    """Return the MD5 of each of a task's 15 files by file name; empty for other tasks."""
    if name not in official_tasks():
        return {}
    row = _fingerprints()[name]
    shots = official_tasks()[name].shots
    return {
        few_shot_file(name, shots, seed, split): row[
            "test" if split == "test" else f"{split}_{seed}"
        ]
        for seed in SEEDS
        for split in FEW_SHOT_SPLITS
    }


def few_shot_file(name: str, shots: int, seed: int, split: str) -> str:
    """Return CrossFit's file name of one few-shot split."""
    return f"{name}_{shots}_{seed}_{split}.tsv"


def full_train_file(name: str) -> str:
    """Return the name of the file that holds all training rows, which CrossFit does not publish."""
    return f"{name}_full_train.tsv"


def _table(file: str) -> list[dict[str, str]]:
    text = resources.files("dpf_core.gym").joinpath("crossfit", file).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
