"""A new task that is adapted from a small source."""

import dataclasses

import torch

from dpf_core.adaptation import AdaptConfig, adapt_model
from dpf_core.config import TrainConfig
from dpf_core.training.loop import train
from tests import tiny

NEW, SOURCES = 2, (0, 1)
"""`topic`, with three labels, joins `mood`, with two, and `pick`, without any."""
OWN = {"front_end.scheduler.scheduler_logits", "front_end.fusion.task_embedding"}
PRIVATE = {"front_end.private_prompts"}
HEADS = {"heads.delta", "heads.bias"}
SHARED = {
    "front_end.pool.prompts", "front_end.fusion.gate_weight", "front_end.fusion.gate_bias",
}  # fmt: skip
LEARNED = {"temperature_mode": "learned"}
ANNEALED = {"temperature_mode": "annealed", "final_temperature": 0.4}


def settings(**changes):
    return AdaptConfig(**{"mode": "append", "row_init": "uniform", "head_init": "zero"} | changes)


def source_of(world, **changes):
    """A model of the source tasks in which every trainable tensor differs from its start."""
    part = dataclasses.replace(world, specs=world.specs[:NEW])
    model = part.model(**changes)
    with torch.no_grad():
        for tensor in model.trainable_parameters().values():
            tensor.add_(0.3 * torch.randn_like(tensor))
    return model


def adapt(world, source, config=None, source_prompt=None, **changes):
    config = source.config if config is None else config
    spec, generator = world.specs[NEW], torch.Generator().manual_seed(3)
    return adapt_model(
        source, world.backbone, spec, config, settings(**changes), generator, source_prompt
    )


def fit(world, model, store=None, on_step=lambda _: None, **changes):
    """Train on the new task, which is task 0 of its own model."""
    sets = [
        dataclasses.replace(part[NEW], task_id=0) for part in (world.train_sets, world.dev_sets)
    ]
    config = tiny.config(TrainConfig, **changes)
    return train(model, sets[:1], sets[1:], config, checkpoints=store, on_step=on_step)


def appended(world, mode="append", **changes):
    """A source, and a model of the new task that was trained beside it."""
    source = source_of(world, **changes)
    adapted = adapt(world, source, mode=mode)
    fit(world, adapted)
    return source, adapted
