"""Failure signatures of a trained pool as numbers with alarms.

What each number means and why it can go wrong stands in dpf_core/README.md.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dpf_core.config import EvaluateConfig
from dpf_core.front_end import FrontEnd
from dpf_core.loss_balancing import WEIGHT_BOUNDS

GATE_EDGES = 20
"""Bins of the gate histogram over [0, 1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """A number beyond its threshold."""

    name: str
    value: float
    threshold: float
    message: str


@torch.no_grad()
def mixing_divergence(mixing_weights: Tensor) -> float:
    """Return the mean pairwise Jensen-Shannon divergence of the rows of [T, K], in nats.

    0 means that all tasks mix the pool alike; log 2 is the most.
    """
    num_tasks = len(mixing_weights)
    if num_tasks < 2:
        return 0.0
    first, second = torch.triu_indices(num_tasks, num_tasks, offset=1)
    middle = (mixing_weights[first] + mixing_weights[second]) / 2
    own = (entropy(mixing_weights[first]) + entropy(mixing_weights[second])) / 2
    return max(0.0, float((entropy(middle) - own).mean()))


def entropy(probabilities: Tensor) -> Tensor:
    """Return the entropy in nats over the last axis."""
    return -torch.xlogy(probabilities, probabilities).sum(dim=-1)


@torch.no_grad()
def front_end_diagnostics(front_end: FrontEnd) -> dict[str, float]:
    """Return the numbers that describe scheduler and gate, all in nats or shares.

    Those of the gate are there where it is learned; those of a choice, which one prompt does not
    leave and one task does not differ in, where there is one.
    """
    task_ids = torch.arange(front_end.scheduler.num_tasks)
    mixing = front_end.scheduler(task_ids)
    num_tasks, num_prompts = mixing.shape
    numbers = {
        "mixing_entropy_mean": float(entropy(mixing).mean()),
        **_gate_numbers(front_end, task_ids),
        "pool_usage_entropy": float(entropy(mixing.mean(dim=0))),
        "pool_usage_entropy_max": math.log(num_prompts),
    }
    if num_prompts > 1:
        unused = (mixing <= 1 / num_prompts).all(dim=0)
        numbers["pool_unused_share"] = float(unused.float().mean())
        if num_tasks > 1:
            numbers["mixing_js_divergence"] = mixing_divergence(mixing)
    return numbers


@torch.no_grad()
def gate_histogram(front_end: FrontEnd) -> dict[str, list[float]] | None:
    """Return bin edges and counts of all gate values, or None where the gate is constant."""
    if not front_end.fusion.gate_tensors():
        return None
    gate = front_end.fusion.gate(torch.arange(front_end.scheduler.num_tasks))
    counts = torch.histc(gate.cpu(), bins=GATE_EDGES, min=0.0, max=1.0)
    return {
        "edges": [i / GATE_EDGES for i in range(GATE_EDGES + 1)],
        "counts": counts.tolist(),
    }


def front_end_alarms(numbers: Mapping[str, float], config: EvaluateConfig) -> list[Alarm]:
    """Return the alarms that the front end's numbers raise."""
    divergence = numbers.get("mixing_js_divergence", math.inf)
    saturation = numbers.get("gate_saturation_share", 0.0)
    unused = numbers.get("pool_unused_share", 0.0)
    checks = [
        (
            "prompt collapse",
            divergence < config.min_mixing_divergence,
            divergence,
            config.min_mixing_divergence,
            "All tasks mix the pool alike. Lower the temperature or raise scheduler_init_std.",
        ),
        (
            "gate saturation",
            saturation > config.max_gate_saturation,
            saturation,
            config.max_gate_saturation,
            "Most gate values stand at 0 or 1, so little gradient reaches them. Move gate_bias "
            "towards 0 or lower prompt_learning_rate.",
        ),
        (
            "pool under-use",
            unused > config.max_unused_share,
            unused,
            config.max_unused_share,
            "Many prompts are weighed over 1/K by no task. Choose a smaller pool_size.",
        ),
    ]
    return [
        Alarm(name=name, value=value, threshold=threshold, message=message)
        for name, raised, value, threshold, message in checks
        if raised
    ]


def _gate_numbers(front_end: FrontEnd, task_ids: Tensor) -> dict[str, float]:
    if not front_end.fusion.gate_tensors():
        return {}
    gate = front_end.fusion.gate(task_ids)
    outside = (gate < 0.05) | (gate > 0.95)
    return {
        "gate_mean": float(gate.mean()),
        "gate_saturation_share": float(outside.float().mean()),
    }


def weight_alarms(history: Iterable[tuple[int, str, str, float]]) -> list[Alarm]:
    """Return an alarm for each task whose weight GradNorm moved to a bound, at any logged step.

    Args:
        history: Step, task, quantity and value, as training records them.
    """
    low, high = WEIGHT_BOUNDS
    first: dict[str, Alarm] = {}
    for step, task, quantity, weight in history:
        is_at_bound = weight <= low * 1.001 or weight >= high * 0.999
        if quantity == "task_weight" and is_at_bound and task not in first:
            first[task] = Alarm(
                name="task weight at its bound",
                value=weight,
                threshold=low if weight <= low * 1.001 else high,
                message=f"The weight of {task} reached its clamp by step {step}. Lower "
                "task_weight_learning_rate.",
            )
    return [alarm for _, alarm in sorted(first.items())]


def temperature_alarms(trained: float, scores: Mapping[float, Sequence[float]]) -> list[Alarm]:
    """Return an alarm for each temperature that beats the trained one beyond noise.

    Args:
        trained: The temperature of training, a key of `scores`.
        scores: Temperature to the dev score of each task, tasks in one order.
    """
    alarms = []
    for temperature, values in sorted(scores.items()):
        gains = torch.tensor(values) - torch.tensor(scores[trained])
        if temperature == trained or len(gains) < 2:
            continue
        noise = 2 * float(gains.std()) / math.sqrt(len(gains))
        if float(gains.mean()) > noise:
            alarms.append(
                Alarm(
                    name="temperature mismatch",
                    value=float(gains.mean()),
                    threshold=noise,
                    message=f"Temperature {temperature} scores higher on the dev rows than "
                    f"{trained}. Set model.temperature to it and train again.",
                )
            )
    return alarms
