"""`dpf bench scale`: a step's time and memory with more registered tasks, and with a larger pool.

Every model gets the same batches, whose rows belong to the gym's own tasks. Further tasks are
registered behind them: each has a name, labels, a head, a task embedding and scheduler logits, and
no row in any batch.
"""

import dataclasses
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from dpf_core.backbone.frozen import Backbone
from dpf_core.config import TrainConfig
from dpf_core.gym.terms import CLASSIFICATION
from dpf_core.heads import HeadSpec
from pipeline.bench.clock import alternate, summary
from pipeline.bench.gemm import wait_for
from pipeline.bench.machine import describe_machine
from pipeline.bench.memory import run_apart
from pipeline.bench.ours import OwnTraining, batches, encode_all, new_model, open_backbone, steps_of
from pipeline.bench.settings import BenchSettings
from pipeline.bench.workload import Workload, hash_row_ids, load_workload

_EXTRA_LABELS = 3  # the mean of CrossFit's classification tasks is 3 to 4


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalePlan:
    """What is measured."""

    task_counts: tuple[int, ...] = (12, 64, 512)
    """Registered tasks; the first is what the others are compared with."""
    pool_sizes: tuple[int, ...] = (1, 16, 256)
    repeats: int = 7
    """Steps of each model, after one that warms up."""
    max_train_rows: int = 200
    """Training rows of a task that batches are drawn from."""


def bench_scale(gym: Path, settings: BenchSettings, plan: ScalePlan) -> dict[str, Any]:
    """Return step times over that of the fewest tasks or smallest pool, and memory in MB.

    Args:
        gym: A built gym; its classification tasks are trained.
        settings: Precision, batch and shape of the model; the pool's size while tasks vary.
        plan: What is measured.
    """
    amount = {
        "num_steps": 1 + plan.repeats,
        "batch_size": settings.batch_size,
        "max_train_rows": plan.max_train_rows,
        "held_out_rows": 1,
    }
    workload = load_workload(gym, **amount)
    torch.set_num_threads(settings.num_threads)
    torch.use_deterministic_algorithms(mode=True)
    backbone = open_backbone(settings)
    counts = [max(count, len(workload.tasks)) for count in plan.task_counts]
    tasks = {f"{count}": (count, settings.pool_size) for count in counts}
    pools = {f"{size}": (counts[0], size) for size in plan.pool_sizes}
    ids = [workload.row_id(*pair) for s in range(workload.num_steps) for pair in workload.batch(s)]
    result = {
        "benchmark": "scale",
        "machine": describe_machine(device=settings.device),
        "settings": asdict(settings),
        "tasks_in_batches": [task.name for task in workload.tasks],
        "batch_size": workload.batch_size,
        "prompt_length": settings.prompt_length,
        "repeats": plan.repeats,
        "row_ids_sha256": hash_row_ids(ids),
    }
    request = {"gym": str(gym), "settings": asdict(settings), "workload": amount}
    for axis, shapes in (("tasks", tasks), ("pool", pools)):
        result |= _times(axis, workload, backbone, settings, shapes)
        result |= _memory(axis, request, shapes)
    return result


def new_training(
    workload: Workload, backbone: Backbone, settings: BenchSettings, num_tasks: int, pool_size: int
) -> OwnTraining:
    """Return a training with so many registered tasks and prompts in its pool."""
    specs = [*workload.tasks, *_extra_tasks(num_tasks - len(workload.tasks))]
    shaped = dataclasses.replace(settings, pool_size=pool_size)
    config = TrainConfig(max_steps=workload.num_steps, batch_size=workload.batch_size)
    return OwnTraining(new_model(backbone, specs, shaped), [], config)


def _extra_tasks(count: int) -> list[HeadSpec]:
    """Return tasks without rows; no two have a label in common."""
    return [
        HeadSpec(
            name=f"extra_{i:03d}",
            kind=CLASSIFICATION,
            labels=tuple(f"label {i} {j}" for j in range(_EXTRA_LABELS)),
            label_texts=tuple(f"label {i} {j}" for j in range(_EXTRA_LABELS)),
            metric="ACC",
            description=f"Task {i} that no batch has a row of.",
        )
        for i in range(count)
    ]


def _times(
    axis: str,
    workload: Workload,
    backbone: Backbone,
    settings: BenchSettings,
    shapes: dict[str, tuple[int, int]],
) -> dict[str, Any]:
    train_sets = encode_all(workload.train_rows, workload.tasks, backbone)
    steps = batches(workload, train_sets)
    sides = {
        name: steps_of(new_training(workload, backbone, settings, *shape), steps)
        for name, shape in shapes.items()
    }
    turns = alternate(sides, repeats=len(steps) - 1, wait=partial(wait_for, settings.device))
    first, *others = shapes
    result: dict[str, Any] = {
        f"{axis}_step_seconds": {name: turns.median(name) for name in shapes},
        f"{axis}_order": turns.order,
    }
    prefix = "step_time_ratio" if axis == "tasks" else "step_time_ratio_pool"
    for name in others:
        ratios = turns.ratios(name, first)
        result[f"{prefix}_{name}_to_{first}"] = median(ratios)
        result[f"{prefix}s_{name}_to_{first}"] = summary(ratios)
        result[f"cpu_{prefix}_{name}_to_{first}"] = turns.cpu_ratio(name, first)
    return result


def _memory(
    axis: str, request: dict[str, Any], shapes: dict[str, tuple[int, int]]
) -> dict[str, Any]:
    """Return what a process held that trains one shape alone, and how much more than the first."""
    found = {
        name: run_apart(
            "pipeline.bench.scale_memory", request | {"num_tasks": tasks, "pool_size": pool}
        )
        for name, (tasks, pool) in shapes.items()
    }
    first, *others = shapes
    return {
        f"{axis}_peak_mb": {name: one["peak_mb"] for name, one in found.items()},
        f"{axis}_training_peak_mb": {name: one["training_peak_mb"] for name, one in found.items()},
        f"{axis}_trainable_mb": {name: one["trainable_mb"] for name, one in found.items()},
        f"{axis}_memory_growth_mb": {
            name: found[name]["training_peak_mb"] - found[first]["training_peak_mb"]
            for name in others
        },
    }
