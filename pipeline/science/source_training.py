"""A source model: trained once on training rows of all source tasks together.

It lies in a folder named by the key of all that shapes it; what came out stands in a small record.
"""

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from dpf_core.build import build_model
from dpf_core.distillation import distil
from dpf_core.errors import CheckpointError, ConfigError
from dpf_core.examples import RowCounts, head_spec
from dpf_core.files import read_json, sha256_file, write_json
from dpf_core.model import DPFModel
from dpf_core.pool_io import save_pool
from dpf_core.training.checkpoint import CheckpointStore, Snapshot
from dpf_core.training.loop import TrainResult, train
from pipeline.science.environment import Environment
from pipeline.science.keys import (
    Json,
    code_hash,
    source_data_key,
    source_key,
    source_question,
)
from pipeline.science.layout import Layout
from pipeline.science.records import read_record
from pipeline.science.rows import ScienceGym
from pipeline.science.settings import ScienceSettings
from pipeline.science.worker import Worker
from pipeline.training import load_training_sets

_RECORD = "record.json"
_SAME = ("key", "rows", "sha256")
"""Parts of a record that say that another one is of the same model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceJob:
    """A source model to train."""

    name: str
    key: str

    def run(self, worker: Worker) -> Json:
        """Train a source model, write it, and return its record.

        A training that was killed goes on at its last checkpoint, if the code is still the same;
        its seconds count up to that checkpoint.

        Raises:
            DPFError: Rows or settings are wrong, or the teacher is not there.
            OSError: The folder cannot be written.
        """
        started = time.perf_counter()
        settings = worker.settings.sources[self.name]
        worker.seed(settings.train.seed)
        records = [worker.gym.task(task) for task in worker.settings.gym.sources]
        for record in records:
            worker.gym.check_file(record.name, "full_train")
        model = build_model(
            worker.backbone,
            [head_spec(record) for record in records],
            settings.model,
            torch.Generator().manual_seed(settings.train.seed),
        )
        train_sets, dev_sets, counts = load_training_sets(
            worker.gym.folder, records, model, settings.train
        )
        if settings.teacher is not None:
            teacher = worker.source(settings.teacher.source)
            distil(model, teacher, weight=settings.teacher.weight)
        processor = worker.environment.cpu_capability
        folder = worker.layout.checkpoints / f"{self.key}-{processor}-{code_hash()}"
        checkpoints = _TimedCheckpoints(folder, started)
        result = train(model, train_sets, dev_sets, settings.train, checkpoints=checkpoints)
        outcome = {
            "key": self.key,
            "question": source_question(worker.settings, self.name),
            "rows": {
                task: source_data_key(worker.gym, task) for task in worker.settings.gym.sources
            },
            "environment": asdict(worker.environment),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "code": code_hash(),
            "seconds": round(checkpoints.seconds, 2),
            "resumed_at": result.resumed_at,
            "problems": result.problems,
            **_outcome(model, result, counts),
        }
        outcome = _write(worker.layout.source_model(self.name, self.key), model, outcome)
        checkpoints.clear()
        return outcome


class _TimedCheckpoints(CheckpointStore):
    """Checkpoints that also keep how long earlier processes trained for them.

    Args:
        folder: As of a `CheckpointStore`.
        started: When this process began, by `time.perf_counter`.

    Raises:
        CheckpointError: The earlier seconds are damaged.
    """

    def __init__(self, folder: Path, started: float) -> None:
        super().__init__(folder)
        self._started, self._file = started, folder / "seconds.json"
        try:
            self._earlier = float(read_json(self._file)) if self._file.exists() else 0.0
        except (ValueError, TypeError) as error:
            raise CheckpointError(
                f"seconds of an earlier training must be a number, got {error} ({self._file}). "
                "Remove the file: the training goes on, and its seconds count from there."
            ) from error

    @property
    def seconds(self) -> float:
        """Of all processes up to now."""
        return self._earlier + time.perf_counter() - self._started

    def save(self, step: int, snapshot: Snapshot) -> None:
        """Write a checkpoint and the seconds up to it.

        Raises:
            CheckpointError: As of a `CheckpointStore`.
            OSError: The seconds cannot be written.
        """
        super().save(step, snapshot)
        write_json(self._file, self.seconds)


def source_jobs(
    settings: ScienceSettings,
    layout: Layout,
    environment: Environment,
    gym: ScienceGym,
    names: set[str],
) -> list[list[SourceJob]]:
    """Return the trainings that are missing among source models and their teachers, in rounds.

    The jobs of a round need nothing of each other.

    Args:
        settings: Of the science.
        layout: Where models lie.
        environment: Where they are trained.
        gym: Their rows.
        names: Source models that are needed.
    """
    rounds: list[list[SourceJob]] = []
    for name in sorted(names):
        key = source_key(settings, name, environment, gym)
        if layout.source_model(name, key).exists():
            continue
        teacher = settings.sources[name].teacher
        teachers = {teacher.source} if teacher else set()
        before = source_jobs(settings, layout, environment, gym, teachers)
        for number, jobs in enumerate([*before, [SourceJob(name=name, key=key)]]):
            rounds += [[]] * (number + 1 - len(rounds))
            rounds[number] = rounds[number] + [job for job in jobs if job not in rounds[number]]
    return rounds


def record_source(folder: Path, path: Path) -> Json:
    """Write what came out of a training, if it does not stand there already, and return it.

    Args:
        folder: Of the trained model.
        path: Of the record.

    Raises:
        ConfigError: The model has no record, or a damaged one; or another model of the same
            settings and rows is recorded, so that cells of two models would stand in one table.
        OSError: The file cannot be written.
    """
    made = read_record(folder / _RECORD)
    if made is None:
        raise ConfigError(
            f"a source model must have its {_RECORD}, got none ({folder}). Remove the folder; it "
            "is trained again."
        )
    if absent := [part for part in _SAME if part not in made]:
        raise ConfigError(
            f"the {_RECORD} of a source model must have {', '.join(_SAME)}, got none of "
            f"{', '.join(absent)} ({folder}). Remove the folder; it is trained again."
        )
    earlier = read_record(path) or {}
    changed = [part for part in _SAME if earlier.get(part) != made[part]]
    if changed == ["sha256"] and "sha256" in earlier:
        raise ConfigError(
            "a source model must be the recorded one, from which cells are made, got other weights "
            f"of the same settings ({folder}; {path}). They were trained by other code, or on "
            "another kind of processor (README, 'The same bytes'). Remove the folder and train it "
            "again in the recorded way; or remove the record, and tuning and cells of all methods "
            "that start from it."
        )
    if changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, made)
    return made


def _write(target: Path, model: DPFModel, record: Json) -> Json:
    """Write the model beside its place, then rename it; return its record with its hashes.

    Where another process was first, its model stays, which has the same key, and its record.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        staging = Path(folder) / target.name
        save_pool(staging, model, extra={"key": record["key"]})
        hashes = {path.name: sha256_file(path) for path in sorted(staging.glob("*.safetensors"))}
        whole = {**record, "sha256": hashes}
        write_json(staging / _RECORD, whole)
        try:
            staging.rename(target)
        except OSError:
            if (first := read_record(target / _RECORD)) is None:
                raise
            return first
    return whole


def _outcome(model: DPFModel, result: TrainResult, counts: dict[str, RowCounts]) -> dict[str, Any]:
    by_task = {
        task: value
        for step, task, name, value in result.history
        if step == result.best_step and name == "dev_score" and task != "all"
    }
    return {
        "steps": result.num_steps,
        "best_step": result.best_step,
        "dev_mean_score": result.best_dev_score,
        "num_trainable": model.num_trainable,
        "tasks": {
            name: {"dev_score": by_task[name], "train_rows": count.train, "dev_rows": count.dev}
            for name, count in counts.items()
        },
    }
