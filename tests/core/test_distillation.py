import dataclasses

import pytest
import torch

from dpf_core.config import TrainConfig
from dpf_core.distillation import distil, kl_divergence
from dpf_core.errors import ConfigError
from dpf_core.evaluation.per_task import mean_loss
from dpf_core.examples import collate
from dpf_core.pool_io import load_pool, save_pool
from dpf_core.training.loop import train
from dpf_core.training.step import accumulate_gradients
from tests import tiny
from tests.properties import changed, copy_tensors

LAMBDAS = torch.tensor([0.4, 1.9, 0.7])


def teacher_of(world):
    model = world.model(method="single_task")
    with torch.no_grad():
        for tensor in model.trainable_parameters().values():
            tensor.add_(0.5 * torch.randn_like(tensor))
    return model


def test_the_divergence_is_that_of_the_probabilities_of_the_candidates():
    wanted, found = torch.randn(2, 5, 3)
    wanted[1, 2] = found[1, 2] = -torch.inf
    p, q = wanted.softmax(dim=1), found.softmax(dim=1)
    expected = [(p[i] * (p[i] / q[i]).log()).nansum() for i in range(5)]
    torch.testing.assert_close(kl_divergence(wanted, found), torch.stack(expected))
    assert kl_divergence(wanted, wanted).abs().max() < 1e-6


def test_a_candidate_that_a_row_lacks_gets_no_gradient():
    wanted, found = torch.zeros(1, 3), torch.zeros(1, 3)
    wanted[0, 2] = found[0, 2] = -torch.inf
    found[0, 0] = 1.0
    found.requires_grad_()
    kl_divergence(wanted, found).sum().backward()
    assert torch.isfinite(found.grad).all()
    assert found.grad[0, 2] == 0


def test_gradients_are_those_of_loss_and_divergence_of_every_task(world):
    model, teacher = world.model(method="mpt"), teacher_of(world)
    distil(model, teacher, weight=0.7)
    named, total = model.trainable_parameters(), torch.zeros(())
    for task in range(3):
        batch, labels = collate(world.rows(task))
        logits = model(batch)
        losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        both = losses + 0.7 * kl_divergence(teacher(batch).detach(), logits)
        total = total + LAMBDAS[task] * both.mean()
    expected = torch.autograd.grad(total, list(named.values()))
    before = copy_tensors(teacher)
    accumulate_gradients(model, world.rows(), LAMBDAS)
    for (name, tensor), gradient in zip(named.items(), expected, strict=True):
        torch.testing.assert_close(tensor.grad, gradient, atol=1e-5, rtol=1e-4, msg=name)
    assert changed(before, teacher) == set()
    assert not any(p.grad is not None for p in teacher.trainable_parameters().values())


def test_reported_losses_are_the_tasks_own(world):
    model, plain = world.model(method="mpt"), world.model(method="mpt")
    distil(model, teacher_of(world), weight=5.0)
    found, expected = (accumulate_gradients(m, world.rows(), LAMBDAS) for m in (model, plain))
    assert torch.equal(found.losses, expected.losses)
    assert mean_loss(model, world.train_sets[0]) == mean_loss(plain, world.train_sets[0])


def test_training_with_a_teacher_comes_nearer_to_its_answers(world):
    teacher, distances = teacher_of(world), []
    batch, _ = collate(world.rows(0, 2))
    config = tiny.config(TrainConfig, max_steps=30, eval_every_steps=30)
    for weight in (None, 50.0):
        model = world.model(method="mpt")
        if weight is not None:
            distil(model, teacher, weight=weight)
        train(model, world.train_sets, world.dev_sets, config)
        distances.append(kl_divergence(teacher(batch), model(batch)).mean().item())
    assert distances[1] < distances[0]


def test_a_pool_does_not_keep_its_teacher(world, tmp_path):
    model = world.model(method="mpt")
    distil(model, teacher_of(world), weight=1.0)
    assert set(model.trainable_parameters()) == set(
        world.model(method="mpt").trainable_parameters()
    )
    save_pool(tmp_path, model, extra={})
    assert load_pool(tmp_path, world.backbone).extra_losses is None


def test_a_language_model_learns_from_a_teacher_except_where_text_is_free(tmp_path, tiny_gym):
    writer = tiny.world(tiny.backbone(tmp_path / "gpt2", "gpt2"), tiny_gym)
    model = writer.model(method="mpt")
    distil(model, teacher_of(writer), weight=1.0)
    accumulate_gradients(model, writer.rows(), torch.ones(3))
    assert all(torch.isfinite(t.grad).all() for t in model.trainable_parameters().values())
    assert kl_divergence(torch.tensor([[-3.0]]), torch.tensor([[-5.0]])).item() == 0


def test_a_teacher_of_other_tasks_is_refused_with_both_lists(world):
    part = dataclasses.replace(world, specs=world.specs[:2])
    with pytest.raises(ConfigError, match="in order, mood, pick, topic, got mood, pick"):
        distil(world.model(method="mpt"), teacher_of(part), weight=1.0)


def test_a_teacher_of_another_backbone_is_refused_with_both_hashes(world, tmp_path):
    path = tiny.backbone_folder(tmp_path / "other", initializer_range=0.4)
    other = dataclasses.replace(world, backbone=tiny.backbone(path))
    with pytest.raises(ConfigError, match=f"{world.backbone.sha256}, got {other.backbone.sha256}"):
        distil(world.model(method="mpt"), teacher_of(other), weight=1.0)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_a_weight_that_is_not_positive_is_refused(world, weight):
    with pytest.raises(ConfigError, match=f"weight of a teacher must be > 0, got {weight}"):
        distil(world.model(method="mpt"), teacher_of(world), weight=weight)
