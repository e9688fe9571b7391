"""Rows of the training history, and what they say of the front end."""

from collections.abc import Sequence

import torch

from dpf_core.evaluation.diagnostics import entropy
from dpf_core.model import FrontEnd

HistoryRow = tuple[int, str, str, float]
"""Step, task name (`all` for the mean), quantity, value."""


@torch.no_grad()
def front_end_rows(front_end: FrontEnd, names: Sequence[str], step: int) -> list[HistoryRow]:
    """Return each task's mean gate and the entropy of its mixing weights, in nats."""
    task_ids = torch.arange(len(names), device=front_end.pool.prompts.device)
    gates = front_end.fusion.gate(task_ids).mean(dim=1).tolist()
    entropies = entropy(front_end.scheduler(task_ids)).tolist()
    rows = [(step, name, "gate_mean", value) for name, value in zip(names, gates, strict=True)]
    return rows + [
        (step, name, "mixing_entropy", value) for name, value in zip(names, entropies, strict=True)
    ]
