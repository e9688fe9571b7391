"""What every family promises: what is trained, what never moves, and that the prompt is used."""

import pytest
import torch

from dpf_core.backbone.families import FAMILIES
from dpf_core.backbone.generation import Generation
from dpf_core.config import TrainConfig
from dpf_core.errors import ConfigError
from dpf_core.examples import collate
from dpf_core.training.optimizer import build_optimizer
from dpf_core.training.step import accumulate_gradients
from tests import tiny
from tests.properties import changed, copy_tensors

FRONT_END = {
    "front_end.fusion.gate_bias", "front_end.fusion.gate_weight",
    "front_end.fusion.task_embedding", "front_end.pool.prompts",
    "front_end.scheduler.scheduler_logits",
}  # fmt: skip
HEADS = {"heads.bias", "heads.delta"}
SHARED = {"front_end.prompt"}
STEPS = 3
depths = pytest.mark.parametrize("depth", [1, 2])


def trainable(family, method="dpf"):
    heads = HEADS if family in tiny.ENCODERS else set()
    return {"dpf": FRONT_END, "shared_prompt": SHARED}[method] | heads


def moved_gradients(model, pairs):
    """Take a few steps; return the names of tensors that got a gradient other than zero in one."""
    optimizer = build_optimizer(model, tiny.config(TrainConfig))
    seen = set()
    for _ in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        accumulate_gradients(model, pairs, torch.ones(len(model.tasks)))
        named = model.named_parameters()
        seen |= {name for name, p in named if p.grad is not None and bool(p.grad.any())}
        optimizer.step()
    return seen


def scored(world):
    """Batches of every kind of task whose candidates are scored; free text is generated."""
    kinds = [(0, 2), (1,)] if world.backbone.family.kind == "encoder" else [(0, 1, 3)]
    return [collate(world.rows(*tasks))[0] for tasks in kinds]


def written(model, batch, prompts, **settings):
    """What the backbone writes after given prompts, or without any."""
    given, generation = model.place(prompts, batch), Generation(max_new_tokens=6, **settings)
    ids = model.backbone.generate(given.embeds, given.mask, given.layer_prompts, generation)
    return model.backbone.decode(ids)


def share_of_other_texts(first, second):
    return sum(map(str.__ne__, first, second)) / len(first)


def test_the_tiny_backbones_are_of_every_family_that_is_served():
    assert set(tiny.FAMILIES) == set(FAMILIES)


@pytest.mark.parametrize("method", ["dpf", "shared_prompt"])
def test_the_trainable_tensors_of_a_family_are_these_and_no_others(any_world, method):
    model = any_world.model(method=method)
    expected = trainable(any_world.backbone.model_type, method)
    assert set(model.trainable_parameters()) == expected
    assert {name for name, p in model.named_parameters() if p.requires_grad} == expected


@depths
def test_training_steps_reach_every_trainable_tensor_and_no_tensor_of_the_backbone(
    any_world, depth
):
    model = any_world.model(prompted_depth=depth)
    before = copy_tensors(model)
    expected = trainable(any_world.backbone.model_type)
    assert moved_gradients(model, any_world.rows()) == expected
    assert changed(before, model) == expected
    assert not any(p.grad is not None for p in model.backbone.parameters())


@depths
def test_a_gradient_reaches_every_task_every_prompt_and_every_layer(any_world, depth):
    model = any_world.model(prompted_depth=depth)
    accumulate_gradients(model, any_world.rows(), torch.ones(len(model.tasks)))
    front_end = model.front_end
    assert front_end.pool.prompts.grad.any(dim=-1).all()  # each position of each prompt and layer
    assert front_end.fusion.task_embedding.grad.any(dim=1).all()
    assert front_end.scheduler.scheduler_logits.grad.any(dim=1).all()


def test_each_layer_of_a_prompt_changes_the_scores(any_world):
    model = any_world.model(prompted_depth=2)
    for batch in scored(any_world):
        prompts = model.front_end(batch.task_ids)
        scores = [model.score(p, batch) for p in (None, prompts[:, :1], prompts)]
        finite = torch.isfinite(scores[0])
        for i, j in ((0, 1), (1, 2), (0, 2)):
            assert (scores[i] - scores[j])[finite].abs().max() > 0.1  # rounding moves 1e-5


@depths
@pytest.mark.parametrize("use_cache", [True, False], ids=["cache", "no_cache"])
def test_a_prompt_changes_what_is_written(writer, depth, use_cache):
    model, (batch, _) = writer.model(prompted_depth=depth), collate(writer.rows())
    prompted = model.generate(batch, Generation(max_new_tokens=6, use_cache=use_cache))
    bare = written(model, batch, None, use_cache=use_cache)
    assert share_of_other_texts(prompted, bare) > 0.25
    prompts = model.front_end(batch.task_ids)
    assert prompted == written(model, batch, prompts, use_cache=use_cache)


@pytest.mark.parametrize("settings", [{"num_beams": 2}, {"is_sampled": True}], ids=str)
def test_a_prompt_changes_what_beams_and_samples_write(writer, settings):
    model, (batch, _) = writer.model(), collate(writer.rows())
    prompted = model.generate(batch, Generation(max_new_tokens=6, **settings))
    assert share_of_other_texts(prompted, written(model, batch, None, **settings)) > 0.25


def test_a_prompt_for_a_deeper_layer_changes_what_is_written(writer):
    model, (batch, _) = writer.model(prompted_depth=2), collate(writer.rows())
    prompts = model.front_end(batch.task_ids)
    both, first = (written(model, batch, p) for p in (prompts, prompts[:, :1]))
    assert share_of_other_texts(both, first) > 0.25


def test_a_model_that_ranks_answers_has_no_heads_to_train_alone(writer):
    with pytest.raises(ConfigError, match=r"method must be any but heads_only .*got heads_only"):
        writer.model(method="heads_only")
