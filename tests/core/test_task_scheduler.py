import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpf_core.errors import ConfigError
from dpf_core.task_scheduler import TaskScheduler
from tests.properties import assert_rows_sum_to_one

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0], [0.5, 0.4, 0.6, 0.3]])
ALL = torch.arange(2)


def mixing(temperature):
    return TaskScheduler(LOGITS, temperature=temperature)(ALL).detach()


@given(st.lists(st.floats(-50, 50), min_size=4, max_size=4), st.floats(0.01, 100))
def test_the_mixing_weights_of_a_task_sum_to_one(logits, temperature):
    scheduler = TaskScheduler(torch.tensor([logits]), temperature=temperature)
    assert_rows_sum_to_one(scheduler(torch.tensor([0, 0])).detach())


def test_the_mixing_weights_follow_equation_1():
    powers = [[math.exp(w / 0.7) for w in row] for row in LOGITS.tolist()]
    expected = torch.tensor([[p / sum(row) for p in row] for row in powers])
    torch.testing.assert_close(mixing(0.7), expected)


def test_a_low_temperature_picks_the_largest_logit_and_nothing_else():
    torch.testing.assert_close(mixing(1e-3), torch.eye(4)[[0, 2]])


def test_a_high_temperature_mixes_all_prompts_alike():
    torch.testing.assert_close(mixing(1e6), torch.full((2, 4), 0.25), atol=1e-5, rtol=0)


def test_logits_moved_by_a_constant_mix_the_same():
    moved = TaskScheduler(LOGITS + 3, temperature=0.9)(ALL)
    torch.testing.assert_close(moved.detach(), mixing(0.9))


@pytest.mark.parametrize("temperature", [0, -0.5, math.nan, math.inf])
def test_a_temperature_that_is_not_positive_and_finite_is_refused(temperature):
    with pytest.raises(ConfigError, match=f"must be > 0, got {temperature} .*model.temperature"):
        TaskScheduler(LOGITS, temperature=temperature)


def test_only_the_logits_of_the_named_tasks_get_a_gradient():
    scheduler = TaskScheduler(LOGITS, temperature=0.9)
    scheduler(torch.tensor([1]))[0, 0].backward()
    gradient = scheduler.scheduler_logits.grad
    assert not gradient[0].any()
    assert gradient[1].all()


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_the_largest_logits_alone_are_mixed_by_equation_1(top_k):
    found = TaskScheduler(LOGITS, temperature=0.7, top_k=top_k)(ALL).detach()
    for row, logits in zip(found, LOGITS, strict=True):
        kept = logits.argsort(descending=True)[:top_k]
        expected = torch.zeros(4)
        expected[kept] = torch.softmax(logits[kept] / 0.7, dim=0)
        torch.testing.assert_close(row, expected)


def test_prompts_that_are_left_out_get_no_gradient():
    scheduler = TaskScheduler(LOGITS, temperature=0.7, top_k=2)
    (scheduler(ALL) * torch.arange(4.0)).sum().backward()
    gradient = scheduler.scheduler_logits.grad
    assert torch.isfinite(gradient).all()
    assert gradient.ne(0).tolist() == [[True, True, False, False], [True, False, True, False]]


def test_a_row_without_a_preference_mixes_all_alike():
    mixed = TaskScheduler(torch.zeros(1, 4), temperature=0.7, top_k=2)(torch.tensor([0]))
    assert torch.equal(mixed, torch.full((1, 4), 0.25))


def test_a_fixed_scheduler_trains_nothing():
    scheduler = TaskScheduler(LOGITS, temperature=0.7, is_fixed=True)
    assert not any(parameter.requires_grad for parameter in scheduler.parameters())


def test_a_learned_temperature_beside_left_out_prompts_gets_the_gradient_of_the_kept_ones():
    scheduler = TaskScheduler(LOGITS, temperature=0.9, is_learned=True, top_k=2)
    scheduler(ALL)[0, 0].backward()
    found = scheduler.log_temperature.grad
    kept = TaskScheduler(LOGITS[:1, :2], temperature=0.9, is_learned=True)
    kept(ALL[:1])[0, 0].backward()
    torch.testing.assert_close(found, kept.log_temperature.grad)
