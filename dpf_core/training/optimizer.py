"""The optimiser and its learning-rate schedule."""

import math

import torch

from dpf_core.config import TrainConfig
from dpf_core.model import DPFModel


def build_optimizer(model: DPFModel, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW over the trainable tensors, with a learning rate each for prompts and heads."""
    named = model.trainable_parameters()
    heads = [tensor for name, tensor in named.items() if name.startswith("heads.")]
    prompts = [tensor for name, tensor in named.items() if name.startswith("front_end.")]
    groups = [{"params": heads, "lr": config.head_learning_rate}]
    if prompts:
        groups.append({"params": prompts, "lr": config.prompt_learning_rate})
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay)


def learning_rate_factor(step: int, config: TrainConfig) -> float:
    """Return the factor on the learning rates at a step: linear warm-up, then a cosine to 0."""
    warmup = config.warmup_fraction * config.max_steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1.0, config.max_steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * progress))


def set_learning_rate(optimizer: torch.optim.Optimizer, step: int, config: TrainConfig) -> None:
    """Set every group's learning rate for a step, from the step alone."""
    base = [config.head_learning_rate, config.prompt_learning_rate]
    for group, rate in zip(optimizer.param_groups, base, strict=False):
        group["lr"] = rate * learning_rate_factor(step, config)
