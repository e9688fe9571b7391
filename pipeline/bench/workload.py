"""The rows that a benchmark trains on: which, in what order, and their hash."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpf_core.errors import ConfigError
from dpf_core.examples import head_spec, split_training_rows
from dpf_core.gym.build import build_gym
from dpf_core.gym.catalogue import select_tasks
from dpf_core.gym.reader import Row, load_manifest
from dpf_core.gym.sources import open_source
from dpf_core.gym.terms import CLASSIFICATION
from dpf_core.heads import HeadSpec
from dpf_core.training.mixing import mixing_table
from pipeline.bench.machine import describe_machine
from pipeline.bench.settings import BenchSettings

TASKS = (
    "trec", "glue-sst2", "emotion", "sms_spam", "hate_speech_offensive", "glue-mrpc", "sick",
    "tweet_eval-offensive", "tweet_eval-hate", "financial_phrasebank", "liar", "superglue-wic",
)  # fmt: skip
"""The twelve CrossFit tasks of every figure in the documentation."""

SEED = 13
_SAMPLING_TEMPERATURE = 4.0  # as params.yaml has it


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """Rows of some classification tasks, and the batches that both sides of a benchmark train."""

    tasks: tuple[HeadSpec, ...]
    train_rows: tuple[list[Row], ...]
    """Of each task, in task-id order."""
    held_out_rows: tuple[list[Row], ...]
    table: NDArray[np.int64]
    """[steps, B, 2], task id and row of every example."""
    left_out: tuple[str, ...]
    """Tasks of the gym that are no classification."""

    @property
    def batch_size(self) -> int:
        """B."""
        return int(self.table.shape[1])

    @property
    def num_steps(self) -> int:
        """Batches that there are."""
        return int(self.table.shape[0])

    def batch(self, step: int) -> list[tuple[int, int]]:
        """Return (task id, row) of every example of a step."""
        return [(int(task), int(row)) for task, row in self.table[step]]

    def row_id(self, task: int, row: int) -> str:
        """Return a row's name: task and line of its file of all training rows."""
        return f"{self.tasks[task].name}:{self.train_rows[task][row].line}"


def load_workload(
    gym: Path, *, num_steps: int, batch_size: int, max_train_rows: int, held_out_rows: int
) -> Workload:
    """Return the classification tasks of a gym, and batches that mix them by the seed alone.

    Args:
        gym: A built gym.
        num_steps: Batches.
        batch_size: B, examples of a batch.
        max_train_rows: Training rows of a task at most.
        held_out_rows: Rows of a task on which both sides are compared after training.

    Raises:
        GymError: The folder is no gym.
        ConfigError: It has no classification task.
    """
    records = load_manifest(gym).tasks
    kept = [record for record in records if record.kind == CLASSIFICATION]
    if not kept:
        raise ConfigError(
            f"a gym to measure on must have a {CLASSIFICATION} task, which the peer can train, got "
            f"{', '.join(record.kind for record in records)} ({gym}). Name another gym."
        )
    parts = [
        split_training_rows(
            gym, record, dev_rows=held_out_rows, max_train_rows=max_train_rows, seed=SEED
        )
        for record in kept
    ]
    table = mixing_table(
        [len(train) for train, _, _ in parts],
        num_steps=num_steps,
        batch_size=batch_size,
        sampling_temperature=_SAMPLING_TEMPERATURE,
        seed=SEED,
    )
    return Workload(
        tasks=tuple(head_spec(record) for record in kept),
        train_rows=tuple(train for train, _, _ in parts),
        held_out_rows=tuple(held_out for _, held_out, _ in parts),
        table=table,
        left_out=tuple(record.name for record in records if record not in kept),
    )


def about(workload: Workload, settings: BenchSettings) -> dict[str, Any]:
    """Return what every benchmark of a workload says of it, as JSON values."""
    return {
        "machine": describe_machine(device=settings.device),
        "settings": asdict(settings),
        "tasks": [task.name for task in workload.tasks],
        "tasks_left_out": list(workload.left_out),
        "num_tasks": len(workload.tasks),
        "batch_size": workload.batch_size,
        "prompt_length": settings.prompt_length,
    }


def hash_row_ids(row_ids: Iterable[str]) -> str:
    """Return the SHA-256 of row names in the order of training, each on a line of its own."""
    digest = hashlib.sha256()
    for row_id in row_ids:
        digest.update(f"{row_id}\n".encode())
    return digest.hexdigest()


@contextmanager
def open_gym(gym: Path | None, mirror: Path | None) -> Iterator[Path]:
    """Give a gym's folder: the one named, or the twelve tasks built from a mirror for the while.

    Raises:
        ConfigError: Neither is named, or both, or the mirror is absent or lacks every task.
    """
    if (gym is None) == (mirror is None):
        raise ConfigError(
            "the rows must come from one of --gym DIR and --mirror DIR, got "
            f"{'neither' if gym is None else 'both'} (dpf bench). Name a built gym, or a mirror of "
            "CrossFit's data sets, of which twelve tasks are built."
        )
    if gym is not None:
        yield gym
        return
    source = open_source("mirror", mirror_dir=mirror)
    with TemporaryDirectory(prefix="dpf-bench-") as folder:
        selection = select_tasks(source, TASKS)
        build_gym(source, selection.specs, Path(folder) / "gym")
        yield Path(folder) / "gym"
