"""What a training carries from step to step, and how a snapshot holds all of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dpf_core.errors import CheckpointError
from dpf_core.loss_balancing import GradNorm, LossBalancer
from dpf_core.training.checkpoint import Snapshot
from dpf_core.training.history import HistoryRow


@dataclass(slots=True)
class TrainingState:
    """How far a training has come, besides parameters, optimiser and task weights."""

    step: int = 0
    best_step: int = 0
    best_score: float = float("-inf")
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[HistoryRow] = field(default_factory=list)
    pending: dict[str, list[float]] = field(default_factory=dict)
    """Loss sum and count of each task since the last history row."""


def snapshot_of(
    state: TrainingState,
    named: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    balancer: LossBalancer,
) -> Snapshot:
    """Return everything that the next step depends on.

    Args:
        state: Of the training.
        named: Its parameters.
        optimizer: Of these.
        balancer: Its task weights.
    """
    tensors: dict[str, Tensor] = {f"parameter.{n}": t for n, t in named.items()}
    tensors |= {f"best.{name}": tensor for name, tensor in state.best.items()}
    for name, parameter in named.items():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{key}.{name}"] = value
    tensors["balancer.weights"] = balancer.weights
    if isinstance(balancer, GradNorm):
        tensors["balancer.initial_losses"] = balancer.initial_losses
    values: dict[str, Any] = {
        "step": state.step,
        "best_step": state.best_step,
        "best_score": state.best_score if state.best else None,
        "history": state.history,
        "pending": state.pending,
    }
    return Snapshot(tensors, values)


def restore(
    snapshot: Snapshot,
    named: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    balancer: LossBalancer,
) -> TrainingState:
    """Return a snapshot's state, and put what else it holds where it belongs.

    Args:
        snapshot: Of `snapshot_of`.
        named: Parameters, which take its values.
        optimizer: Of these; takes its moments.
        balancer: Takes its task weights.

    Raises:
        CheckpointError: The snapshot is of a training with other parameters or tasks.
    """
    tensors, values = snapshot.tensors, snapshot.values
    _check_same_training(tensors, named, balancer)
    with torch.no_grad():
        for name, tensor in named.items():
            tensor.copy_(tensors[f"parameter.{name}"])
            suffix = f".{name}"
            if tensor.requires_grad:
                optimizer.state[tensor] = {
                    # AdamW counts its steps on the CPU
                    key.removeprefix("optimizer.").removesuffix(suffix): (
                        value if value.dim() == 0 else value.to(tensor.device)
                    )
                    for key, value in tensors.items()
                    if key.startswith("optimizer.") and key.endswith(suffix)
                }
    balancer.weights = tensors["balancer.weights"]
    best = values["best_score"]
    return TrainingState(
        step=values["step"],
        best_step=values["best_step"],
        best_score=float("-inf") if best is None else best,
        best={k.removeprefix("best."): v for k, v in tensors.items() if k.startswith("best.")},
        history=[tuple(row) for row in values["history"]],
        pending=values["pending"],
    )


def _check_same_training(
    found: Mapping[str, Tensor], named: Mapping[str, Tensor], balancer: LossBalancer
) -> None:
    """Compare names and shapes: copying would stretch a row over a matrix without a word."""
    wanted = {f"parameter.{name}": list(tensor.shape) for name, tensor in named.items()}
    wanted["balancer.weights"] = list(balancer.weights.shape)
    saved = {
        name: list(tensor.shape)
        for name, tensor in found.items()
        if name in wanted or name.startswith("parameter.")
    }
    for name in sorted(wanted.keys() | saved.keys()):
        if wanted.get(name) != saved.get(name):
            raise CheckpointError(
                f"{name} of a checkpoint must have the shape {wanted.get(name, 'of no tensor')} "
                f"of this training, got {saved.get(name, 'no tensor')}. The checkpoint is of "
                "another one: give each training a folder of its own, or remove these checkpoints."
            )
