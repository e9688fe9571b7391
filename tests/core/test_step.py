import dataclasses

import pytest
import torch

from dpf_core.batching import collate
from dpf_core.config import TrainConfig
from dpf_core.training.optimizer import build_optimizer
from dpf_core.training.step import accumulate_gradients
from tests import tiny
from tests.core.adapting import NEW, adapt, source_of
from tests.properties import changed, copy_tensors, relative_difference

WEIGHTS = torch.tensor([0.4, 1.9, 0.7])
POOL = {
    "dpf": "front_end.pool.prompts", "shared_prompt": "front_end.prompt", "mpt": "front_end.prompt",
}  # fmt: skip
SIZES = {"one micro-batch a head": 4096, "micro-batches of few rows": 64}


def model_of(world, batch_tokens=4096, **changes):
    """A model whose gate weights are not zero, on a backbone view of another micro-batch size."""
    model = world.model(**changes)
    with torch.no_grad():
        for name, tensor in model.trainable_parameters().items():
            if name != "front_end.pool.prompts":
                tensor.add_(0.1 * torch.randn_like(tensor))
    model.backbone = tiny.backbone(world.backbone.directory, batch_tokens=batch_tokens)
    return model


def task_loss(model, world, task):
    """The mean loss of all training rows of a task, through the model's own forward."""
    batch, labels = collate(world.rows(task))
    return torch.nn.functional.cross_entropy(model(batch), labels)


@pytest.mark.parametrize("tokens", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("method", POOL)
def test_one_backward_gives_the_norms_of_separate_backwards(world, method, depth, tokens):
    model = model_of(world, tokens, method=method, prompted_depth=depth)
    pool = model.get_parameter(POOL[method])
    losses = [task_loss(model, world, task) for task in range(3)]
    separate = [torch.autograd.grad(loss, pool)[0].norm() for loss in losses]
    result = accumulate_gradients(model, world.rows(), WEIGHTS)
    assert result.task_ids.tolist() == [0, 1, 2]
    assert relative_difference(result.gradient_norms, torch.stack(separate)) < 1e-5


@pytest.mark.parametrize("tokens", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("method", ["dpf", "shared_prompt", "single_task", "mpt", "heads_only"])
def test_gradients_are_those_of_the_weighted_sum_of_the_tasks_losses(world, method, tokens):
    model = model_of(world, tokens, method=method)
    named = model.trainable_parameters()
    tasks = range(3) if method != "heads_only" else (0, 2)  # options train nothing without a prompt
    total = sum(WEIGHTS[task] * task_loss(model, world, task) for task in tasks)
    expected = torch.autograd.grad(total, list(named.values()))
    accumulate_gradients(model, world.rows(), WEIGHTS)
    for (name, tensor), gradient in zip(named.items(), expected, strict=True):
        torch.testing.assert_close(tensor.grad, gradient, atol=1e-5, rtol=1e-4, msg=name)


def test_losses_are_each_tasks_mean_without_its_weight(world):
    model = model_of(world, batch_tokens=64)
    expected = torch.stack([task_loss(model, world, task).detach() for task in range(3)])
    result = accumulate_gradients(model, world.rows(), WEIGHTS)
    torch.testing.assert_close(result.losses, expected)


def test_task_weights_do_not_change_losses_and_norms(world):
    model = model_of(world)
    plain = accumulate_gradients(model, world.rows(), torch.ones(3))
    model.zero_grad()
    weighted = accumulate_gradients(model, world.rows(), WEIGHTS)
    torch.testing.assert_close(weighted.losses, plain.losses)
    torch.testing.assert_close(weighted.gradient_norms, plain.gradient_norms)


def test_a_batch_without_a_task_leaves_its_own_tensors_without_gradient(world):
    model = model_of(world)
    result = accumulate_gradients(model, world.rows(2), WEIGHTS)
    assert result.task_ids.tolist() == [2]
    front_end = model.front_end
    for own in (front_end.scheduler.scheduler_logits, front_end.fusion.task_embedding):
        assert own.grad.any(dim=1).tolist() == [False, False, True]
    assert model.heads.bias.grad.ne(0).tolist() == [False, False, True, True, True]


def test_gradients_add_up_over_calls_until_they_are_cleared(world):
    model = model_of(world)
    accumulate_gradients(model, world.rows(), WEIGHTS)
    once = model.front_end.pool.prompts.grad.clone()
    accumulate_gradients(model, world.rows(), WEIGHTS)
    torch.testing.assert_close(model.front_end.pool.prompts.grad, 2 * once)


@pytest.mark.parametrize("method", ["dpf", "shared_prompt", "single_task", "mpt", "heads_only"])
def test_a_step_moves_every_trainable_tensor_and_no_bit_of_the_backbone(world, method):
    model = model_of(world, method=method, prompted_depth=2)
    frozen, before = copy_tensors(model.backbone), copy_tensors(model)
    optimizer = build_optimizer(model, tiny.config(TrainConfig))
    for _ in range(2):
        accumulate_gradients(model, world.rows(), WEIGHTS)
        optimizer.step()
    assert changed(frozen, model.backbone) == set()
    assert changed(before, model) == set(model.trainable_parameters())
    assert all(parameter.grad is None for parameter in model.backbone.parameters())


def test_a_batch_that_trains_nothing_still_reports_its_losses(world):
    model = model_of(world, method="heads_only")
    result = accumulate_gradients(model, world.rows(1), WEIGHTS)
    assert result.losses.item() == pytest.approx(task_loss(model, world, 1).item(), rel=1e-5)
    assert result.gradient_norms.tolist() == [0.0]


def test_rows_of_one_task_weigh_the_same_wherever_they_are_cut(world):
    """The mean is over the batch, so a task's loss is not the mean of its micro-batches' means."""
    model, rows = model_of(world, batch_tokens=64), world.rows(0)[:5]
    single = [accumulate_gradients(model, [row], WEIGHTS).losses.item() for row in rows]
    together = accumulate_gradients(model, rows, WEIGHTS).losses.item()
    assert together == pytest.approx(sum(single) / 5, rel=1e-5)


def test_a_step_result_cannot_be_changed(world):
    result = accumulate_gradients(model_of(world), world.rows(0), WEIGHTS)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.losses = None


def test_a_front_end_that_stays_as_it_is_lets_the_head_learn(world):
    modes = {"gate_mode": "none", "scheduler_mode": "fixed"}
    model = adapt(world, source_of(world, **modes))
    batch = [(dataclasses.replace(task, task_id=0), row) for task, row in world.rows(NEW)]
    result = accumulate_gradients(model, batch, torch.ones(1))
    assert torch.isfinite(result.losses).all()
    assert model.heads.delta.grad.any()
    assert model.front_end.pool.prompts.grad is None
