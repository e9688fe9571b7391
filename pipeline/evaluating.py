"""One evaluation: gym and pool in, scores, diagnostics and plots out.

Shared by the stage and by `dpf evaluate`.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from dpf_core.backbone.loading import load_backbone
from dpf_core.config import EvaluateConfig, RuntimeConfig, TrainConfig
from dpf_core.config_reading import from_mapping, to_mapping
from dpf_core.errors import CheckpointError
from dpf_core.evaluation.diagnostics import (
    Alarm,
    front_end_alarms,
    front_end_diagnostics,
    gate_histogram,
    temperature_alarms,
)
from dpf_core.evaluation.per_task import TaskScore, quick_score, score_task
from dpf_core.examples import (
    SPLIT_SETTINGS,
    TaskExamples,
    encode_rows,
    head_spec,
    most_frequent_answer,
    split_training_rows,
)
from dpf_core.files import staged_folders, write_json
from dpf_core.front_end import FrontEnd
from dpf_core.gym.reader import Row, TaskRecord, load_manifest, read_split
from dpf_core.heads import HeadSpec
from dpf_core.model import DPFModel
from dpf_core.pool_io import POOL_FILE, backbone_config, load_pool, read_pool_config
from dpf_core.training.determinism import make_deterministic
from pipeline.plots import remove_others
from pipeline.plots.evaluation import evaluate_plots


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatePaths:
    """What an evaluation reads and writes."""

    gym: Path
    pool: Path
    metrics: Path
    plots: Path


def run_evaluation(
    paths: EvaluatePaths, runtime: RuntimeConfig, config: EvaluateConfig, train: TrainConfig
) -> dict[str, Any]:
    """Score a pool on the test rows of its tasks, write and return the metrics.

    Args:
        paths: Of gym, pool and outputs.
        runtime: Threads.
        config: Rows and alarms.
        train: Tells which rows were held out for dev scores, where the pool itself does not.

    Raises:
        DPFError: The pool, its backbone or the gym is wrong.
        OSError: An output cannot be written; earlier outputs are untouched.
    """
    make_deterministic(num_threads=runtime.num_threads, seed=train.seed)
    known = read_pool_config(paths.pool)
    model = load_pool(paths.pool, load_backbone(backbone_config(known), device=runtime.device))
    split = _split(known, train, paths.pool)
    records = matching_records(paths.gym, model)
    scores, dev_sets = [], []
    for task_id, record in enumerate(tqdm(records, desc="evaluate", unit="task", disable=None)):
        spec = model.tasks[task_id]
        train_rows, dev_rows, _ = split_training_rows(
            paths.gym,
            record,
            dev_rows=split.dev_rows,
            max_train_rows=split.max_train_rows,
            seed=split.seed,
        )
        test_rows = scored_rows(paths.gym, record, config)
        examples = encode_rows(test_rows, spec, task_id, model.backbone)
        scores.append(score_task(model, examples, most_frequent_answer(train_rows, spec)))
        dev_sets.append(encode_rows(dev_rows, spec, task_id, model.backbone))
    metrics = {"pool_sha256": known["sha256"][POOL_FILE], **_metrics(model, records, scores)}
    alarms: list[Alarm] = []
    if isinstance(model.front_end, FrontEnd):
        metrics |= _front_end(model, model.front_end)
        alarms = front_end_alarms(metrics["diagnostics"], config)
        by_temperature = _score_temperatures(model, model.front_end, dev_sets, config)
        metrics["dev_score_by_temperature"] = {
            str(temperature): sum(values) / len(values)
            for temperature, values in by_temperature.items()
        }
        alarms += temperature_alarms(model.front_end.scheduler.temperature, by_temperature)
    metrics["alarms"] = [asdict(alarm) for alarm in alarms]
    with staged_folders(paths.plots, paths.metrics.parent) as (plots, folder):
        evaluate_plots(metrics, plots)
        write_json(folder / paths.metrics.name, metrics)
        remove_others(paths.plots, plots)
    return metrics


def _split(known: Mapping[str, Any], train: TrainConfig, pool: Path) -> TrainConfig:
    """Return settings that say which rows were held out: the pool's own, where it names them."""
    if "split" not in known:  # of an earlier version
        return train
    split = known["split"]
    if not isinstance(split, Mapping) or split.keys() != set(SPLIT_SETTINGS):
        raise CheckpointError(
            f"the split of a pool must be {', '.join(SPLIT_SETTINGS)}, got {split!r} "
            f"({pool / 'config.json'}). Train the pool again with this version."
        )
    return from_mapping(TrainConfig, to_mapping(train) | dict(split), f"split in {pool}")


def matching_records(gym: Path, model: DPFModel) -> list[TaskRecord]:
    """Return the gym's records of the model's tasks, in task-id order.

    Raises:
        CheckpointError: A task is not in the gym, or has other labels there.
    """
    found = {record.name: record for record in load_manifest(gym).tasks}
    return [matching_record(found, spec, gym) for spec in model.tasks]


def matching_record(found: Mapping[str, TaskRecord], spec: HeadSpec, gym: Path) -> TaskRecord:
    """Return the gym's record of one task of a pool.

    Raises:
        CheckpointError: The task is not in the gym, or has other labels there.
    """
    record = found.get(spec.name)
    if record is None or head_spec(record) != spec:
        got = "no such task" if record is None else head_spec(record)
        raise CheckpointError(
            f"the gym must have the pool's task {spec.name!r} as {spec}, got {got} ({gym}). "
            "Train the pool on this gym: dvc repro train."
        )
    return record


def scored_rows(gym: Path, record: TaskRecord, config: EvaluateConfig) -> list[Row]:
    """Return a task's test rows, or the first of a seeded shuffle where fewer are asked for."""
    rows = read_split(gym, record, "test")
    if config.max_test_rows is not None:
        random.Random(config.sample_seed).shuffle(rows)
        rows = rows[: config.max_test_rows]
    return rows


def _metrics(
    model: DPFModel, records: Sequence[TaskRecord], scores: Sequence[TaskScore]
) -> dict[str, Any]:
    def mean(field: str) -> float:
        return sum(float(getattr(score, field)) for score in scores) / len(scores)

    return {
        "method": model.config.method,
        "mean_score": mean("score"),
        "majority_mean_score": mean("majority_score"),
        "mean_macro_f1": mean("macro_f1"),
        "tasks": [
            asdict(score) | {"status": record.status}
            for score, record in zip(scores, records, strict=True)
        ],
        "diagnostics": {},
        "scheduler": None,
        "gate_histogram": None,
        "dev_score_by_temperature": {},
    }


@torch.no_grad()
def _front_end(model: DPFModel, front_end: FrontEnd) -> dict[str, Any]:
    ids = torch.arange(len(model.tasks), device=model.backbone.device)
    mixing = front_end.scheduler(ids)
    return {
        "diagnostics": front_end_diagnostics(front_end),
        "scheduler": {
            "tasks": [task.name for task in model.tasks],
            "mixing_weights": mixing.tolist(),
        },
        "gate_histogram": gate_histogram(front_end),
    }


def _score_temperatures(
    model: DPFModel,
    front_end: FrontEnd,
    dev_sets: Sequence[TaskExamples],
    config: EvaluateConfig,
) -> dict[float, list[float]]:
    trained = front_end.scheduler.temperature
    result = {}
    for temperature in sorted({trained, *config.neighbour_temperatures}):
        with front_end.scheduler.at_temperature(temperature):
            result[temperature] = [quick_score(model, examples) for examples in dev_sets]
    return result
