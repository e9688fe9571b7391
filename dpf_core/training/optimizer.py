"""The optimiser, its learning-rate schedule, and the schedule of an annealed temperature."""

import math

import torch

from dpf_core.config import ModelConfig, TrainConfig
from dpf_core.errors import ConfigError
from dpf_core.model import DPFModel


def build_optimizer(model: DPFModel, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW over the trainable tensors, one group for each part that has its own rate.

    Raises:
        ConfigError: No tensor is trained.
    """
    groups = []
    for prefix, rate in _rates(config).items():
        named = model.trainable_parameters().items()
        mine = [t for name, t in named if t.requires_grad and _prefix(name, config) == prefix]
        if mine:
            groups.append({"params": mine, "lr": rate, "peak_lr": rate})
    if not groups:
        raise ConfigError(
            f"a model must have something to train, got nothing with model.method "
            f"{model.config.method}, gate_mode {model.config.gate_mode} and scheduler_mode "
            f"{model.config.scheduler_mode}. Choose another mode of gate or scheduler, or adapt in "
            "mode private."
        )
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
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * learning_rate_factor(step, config)


def annealed_temperature(step: int, max_steps: int, config: ModelConfig) -> float:
    """Return the scheduler's temperature at a step, from the first to the last in equal ratios."""
    if config.final_temperature is None:
        return config.temperature
    progress = step / max(1, max_steps - 1)
    ratio: float = (config.final_temperature / config.temperature) ** progress
    return config.temperature * ratio


def _rates(config: TrainConfig) -> dict[str, float]:
    """Return the learning rate of each prefix of parameter names; the longest prefix counts."""
    return {
        "backbone.": config.backbone_learning_rate,
        "heads.": config.head_learning_rate,
        "front_end.": config.prompt_learning_rate,
        "front_end.fusion.gate_": config.gate_learning_rate,
        "front_end.attention.": config.gate_learning_rate,
    }


def _prefix(name: str, config: TrainConfig) -> str:
    return max((prefix for prefix in _rates(config) if name.startswith(prefix)), key=len)
