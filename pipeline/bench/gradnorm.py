"""`dpf bench gradnorm`: what GradNorm costs over equal weights, and against T backward passes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from dpf_core.backbone.frozen import Backbone
from dpf_core.config import LossBalancing, TrainConfig
from dpf_core.examples import TaskExamples
from dpf_core.training.step import StepResult
from pipeline.bench.clock import Turns, alternate, summary
from pipeline.bench.gemm import wait_for
from pipeline.bench.ours import (
    OwnTraining,
    batches,
    encode_all,
    new_model,
    open_backbone,
    steps_of,
)
from pipeline.bench.separate import SeparateBackwards, one_graph, per_task_graphs
from pipeline.bench.settings import BenchSettings
from pipeline.bench.workload import Workload, about, hash_row_ids, load_workload

EQUAL, GRADNORM = "equal_weights", "gradnorm"
SEPARATE, PER_TASK = "separate_backwards", "separate_passes"


@dataclass(frozen=True, kw_only=True, slots=True)
class GradNormPlan:
    """How much is measured."""

    repeats: int = 7
    """Steps of each side, after one that warms up."""
    max_train_rows: int = 400
    """Training rows of a task that batches are drawn from."""


def bench_gradnorm(gym: Path, settings: BenchSettings, plan: GradNormPlan) -> dict[str, Any]:
    """Return what a step with GradNorm takes over one with equal weights and other ways to norms.

    Args:
        gym: A built gym; its classification tasks are trained.
        settings: Precision, batch and shape of the model.
        plan: How much is measured.
    """
    workload = load_workload(
        gym,
        num_steps=1 + plan.repeats,
        batch_size=settings.batch_size,
        max_train_rows=plan.max_train_rows,
        held_out_rows=1,
    )
    torch.set_num_threads(settings.num_threads)
    torch.use_deterministic_algorithms(mode=True)
    backbone = open_backbone(settings)
    train_sets = encode_all(workload.train_rows, workload.tasks, backbone)
    compared = [
        _take_turns(workload, backbone, train_sets, settings, others)
        for others in ((EQUAL,), (SEPARATE, PER_TASK))
    ]
    norms = _difference(workload, backbone, train_sets, settings)
    return _result(workload, settings, plan, compared) | {"max_relative_norm_difference": norms}


def _take_turns(
    workload: Workload,
    backbone: Backbone,
    train_sets: list[TaskExamples],
    settings: BenchSettings,
    others: Sequence[str],
) -> Turns:
    """Return the turns of GradNorm and others; long turns of one would disturb short ones."""
    steps = batches(workload, train_sets)
    trainings = _sides(workload, backbone, train_sets, settings)
    sides = {name: steps_of(trainings[name], steps) for name in (*others, GRADNORM)}
    return alternate(sides, repeats=len(steps) - 1, wait=partial(wait_for, settings.device))


def _sides(
    workload: Workload,
    backbone: Backbone,
    train_sets: list[TaskExamples],
    settings: BenchSettings,
) -> dict[str, OwnTraining]:
    """Return trainings that differ in their task weights alone, or in how they get the norms."""

    def start(kind: type[OwnTraining], balancing: LossBalancing, **how: Any) -> OwnTraining:
        config = TrainConfig(
            max_steps=workload.num_steps,
            batch_size=workload.batch_size,
            loss_balancing=balancing,
            initial_loss_rows=1,
        )
        return kind(new_model(backbone, workload.tasks, settings), train_sets, config, **how)

    return {
        EQUAL: start(OwnTraining, "equal"),
        GRADNORM: start(OwnTraining, "gradnorm"),
        SEPARATE: start(SeparateBackwards, "gradnorm", graphs=one_graph),
        PER_TASK: start(SeparateBackwards, "gradnorm", graphs=per_task_graphs),
    }


def _difference(
    workload: Workload,
    backbone: Backbone,
    train_sets: list[TaskExamples],
    settings: BenchSettings,
) -> float:
    """Return the largest relative difference of the norms on one batch, from the same start."""
    examples = batches(workload, train_sets)[0]
    sides = _sides(workload, backbone, train_sets, settings)
    results: dict[str, StepResult] = {
        name: sides[name].advance(examples) for name in (GRADNORM, SEPARATE)
    }
    exact: Tensor = results[SEPARATE].gradient_norms
    return float(((results[GRADNORM].gradient_norms - exact).abs() / exact).max())


def _result(
    workload: Workload, settings: BenchSettings, plan: GradNormPlan, compared: Sequence[Turns]
) -> dict[str, Any]:
    ids = [workload.row_id(*pair) for s in range(workload.num_steps) for pair in workload.batch(s)]
    result: dict[str, Any] = {
        "benchmark": "gradnorm",
        **about(workload, settings),
        "repeats": plan.repeats,
        "order": [side for turns in compared for side in turns.order],
        "row_ids_sha256": hash_row_ids(ids),
    }
    for turns in compared:
        for other in (side for side in turns.seconds if side != GRADNORM):
            ratios = turns.ratios(GRADNORM, other)
            result |= {
                f"ratio_vs_{other}": median(ratios),
                f"ratios_vs_{other}": summary(ratios),
                f"cpu_ratio_vs_{other}": turns.cpu_ratio(GRADNORM, other),
                f"step_seconds_{other}": turns.median(other),
            }
    return result | {"step_seconds_gradnorm": compared[0].median(GRADNORM)}
