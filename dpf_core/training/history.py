"""Rows of the training history, and what they say of the front end."""

from collections.abc import Sequence

import torch

from dpf_core.evaluation.diagnostics import entropy
from dpf_core.front_end import FrontEnd

HistoryRow = tuple[int, str, str, float]
"""Step, task name (`all` for the mean), quantity, value."""


@torch.no_grad()
def front_end_rows(front_end: FrontEnd, names: Sequence[str], step: int) -> list[HistoryRow]:
    """Return each task's mean gate, if learned, and the entropy of its mixing weights, in nats."""
    task_ids = torch.arange(len(names), device=front_end.pool.prompts.device)
    quantities = {"mixing_entropy": entropy(front_end.scheduler(task_ids))}
    if front_end.fusion.gate_tensors():
        gates = front_end.fusion.gate(task_ids).mean(dim=1)
        quantities = {"gate_mean": gates, **quantities}
    return [
        (step, name, quantity, value)
        for quantity, values in quantities.items()
        for name, value in zip(names, values.tolist(), strict=True)
    ]
