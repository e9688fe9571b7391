"""The loss curve of a fixed training: an optimisation that changes results is seen here.

The losses were recorded with torch 2.13 on a CPU in fp32. Other processors and numbers of threads
sum in another order, which moves them by far less than the tolerance.
"""

from dataclasses import replace

import pytest

from dpf_core.backbone.loading import load_backbone
from dpf_core.config import BackboneConfig, TrainConfig
from dpf_core.training.loop import train
from tests import tiny

TOLERANCE = 1e-4
"""Relative. Other attentions, micro-batches and threads move the losses by at most 1e-5, a learning
rate that is 1% higher by 1e-2."""

MEAN_LOSSES = {4: 0.315386, 8: 0.0826845, 12: 0.0632292, 16: 0.0507487, 20: 0.0369023}
"""Step to the mean loss, in nats, of the examples since the step before it in this table."""


def curve(gym, *, attention="packed", batch_tokens=4096, recomputes=False, **changes):
    """Train the bundled encoder on the tiny gym; return step to mean loss over the tasks."""
    settings = BackboneConfig(max_length=32, attention=attention, batch_tokens=batch_tokens)
    world = tiny.world(load_backbone(settings), gym)
    world.backbone.recomputes_layers = recomputes
    config = tiny.config(
        TrainConfig, max_steps=20, eval_every_steps=20, log_every_steps=4, batch_size=8
    )
    result = train(world.model(), world.train_sets, world.dev_sets, replace(config, **changes))
    losses: dict[int, list[float]] = {}
    for step, _, quantity, value in result.history:
        if quantity == "loss":
            losses.setdefault(step, []).append(value)
    return {step: sum(values) / len(values) for step, values in losses.items()}


def test_the_curve_is_the_recorded_one(tiny_gym):
    assert curve(tiny_gym) == pytest.approx(MEAN_LOSSES, rel=TOLERANCE)


@pytest.mark.parametrize(
    "changes",
    [{"attention": "sdpa"}, {"batch_tokens": 64}, {"recomputes": True}],
    ids=["other attention", "gradients accumulated over micro-batches", "gradient checkpointing"],
)
def test_how_it_is_computed_does_not_change_the_curve(tiny_gym, changes):
    assert curve(tiny_gym, **changes) == pytest.approx(MEAN_LOSSES, rel=TOLERANCE)


def test_the_tolerance_is_small_enough_to_see_a_changed_learning_rate(tiny_gym):
    other = curve(tiny_gym, prompt_learning_rate=1.01 * TrainConfig().prompt_learning_rate)
    assert other != pytest.approx(MEAN_LOSSES, rel=TOLERANCE)
