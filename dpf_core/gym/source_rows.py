"""How many rows the sources had when CrossFit read them, to explain bytes that differ.

The counts (`crossfit/source_rows.tsv`) are those of the data sets' metadata in the release 1.4.0 of
`datasets`, which CrossFit used. One source is not among them: CrossFit read proto_qa from a file of
its authors.
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources

from dpf_core.gym.task_spec import TaskSpec


def rows_then(spec: TaskSpec) -> dict[str, int]:
    """Return the rows of each split that the task reads, as they were; empty where not known."""
    known = _table().get((spec.source_id, spec.source_config or ""), {})
    return {split: known[split] for split in spec.splits if split in known}


def row_count_differences(spec: TaskSpec, counts: Mapping[str, int]) -> list[str]:
    """Return a phrase for each split whose number of rows is not what it was.

    Args:
        spec: The task.
        counts: The rows that each split of the source has now, before any is left out.

    Example:
        `["train has 1056 rows, 1119 when CrossFit read it"]`
    """
    return [
        f"{split} has {counts[split]} rows, {then} when CrossFit read it"
        for split, then in rows_then(spec).items()
        if split in counts and counts[split] != then
    ]


@cache
def _table() -> dict[tuple[str, str], dict[str, int]]:
    path = resources.files("dpf_core.gym").joinpath("crossfit", "source_rows.tsv")
    table: dict[tuple[str, str], dict[str, int]] = {}
    for row in csv.DictReader(path.read_text("utf-8").splitlines(), delimiter="\t"):
        splits = table.setdefault((row["source_id"], row["source_config"]), {})
        splits[row["split"]] = int(row["rows"])
    return table
