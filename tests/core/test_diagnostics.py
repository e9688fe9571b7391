import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpf_core.config import EvaluateConfig
from dpf_core.evaluation.diagnostics import (
    entropy,
    front_end_alarms,
    front_end_diagnostics,
    gate_histogram,
    mixing_divergence,
    temperature_alarms,
    weight_alarms,
)
from dpf_core.front_end import FrontEnd
from dpf_core.fusion import Fusion
from dpf_core.prompts import PromptPool
from dpf_core.task_scheduler import TaskScheduler

LOG_2 = math.log(2)


def front_end(logits, gate_bias=0.0):
    logits = torch.tensor(logits)
    return FrontEnd(
        PromptPool(torch.zeros(logits.shape[1], 1, 2, 8)),
        TaskScheduler(logits, temperature=1.0),
        Fusion(torch.zeros(len(logits), 8), gate_bias=gate_bias),
    )


def numbers(logits, gate_bias=0.0):
    return front_end_diagnostics(front_end(logits, gate_bias))


def test_tasks_that_mix_alike_have_no_divergence():
    assert mixing_divergence(torch.tensor([[0.2, 0.3, 0.5]] * 4)) == pytest.approx(0, abs=1e-6)


def test_tasks_without_a_common_prompt_have_a_divergence_of_log_2():
    assert mixing_divergence(torch.eye(3)) == pytest.approx(LOG_2)


def test_one_task_alone_has_no_divergence():
    assert mixing_divergence(torch.tensor([[0.5, 0.5]])) == 0


def test_the_divergence_is_the_mean_over_pairs_of_tasks():
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert mixing_divergence(rows) == pytest.approx(LOG_2 * 2 / 3)


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=2, max_size=5))
def test_the_divergence_is_half_the_sum_of_two_kullback_leibler_divergences(rows):
    weights = torch.tensor(rows) / torch.tensor(rows).sum(dim=1, keepdim=True)
    pairs = [(p, q) for i, p in enumerate(weights.double()) for q in weights.double()[:i]]
    expected = [
        sum(float((x * (x / ((p + q) / 2)).log()).sum()) / 2 for x in (p, q)) for p, q in pairs
    ]
    assert mixing_divergence(weights) == pytest.approx(sum(expected) / len(expected), abs=1e-5)


def test_entropy_is_0_for_one_choice_and_log_n_for_all_alike():
    found = entropy(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.25] * 4]))
    assert found.tolist() == pytest.approx([0, math.log(4)])


def test_uniform_mixing_uses_the_pool_evenly_and_no_prompt_more_than_its_share():
    found = numbers([[0.0] * 4] * 3)
    assert found["pool_usage_entropy"] == pytest.approx(found["pool_usage_entropy_max"])
    assert found["pool_usage_entropy_max"] == pytest.approx(math.log(4))
    assert found["mixing_entropy_mean"] == pytest.approx(math.log(4))
    assert found["pool_unused_share"] == 1
    assert found["mixing_js_divergence"] == pytest.approx(0, abs=1e-6)


def test_prompts_that_no_task_picks_are_unused():
    found = numbers([[50.0, 0, 0, 0], [50.0, 0, 0, 0], [0, 50.0, 0, 0]])
    assert found["pool_unused_share"] == 0.5
    assert found["mixing_entropy_mean"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("bias", "share"), [(0.0, 0), (-2.9, 0), (2.9, 0), (3.1, 1), (-3.1, 1)])
def test_a_gate_is_saturated_outside_0_05_and_0_95(bias, share):
    assert numbers([[0.0, 1.0]], gate_bias=bias)["gate_saturation_share"] == share


def test_the_histogram_counts_every_gate_value_in_its_bin():
    found = gate_histogram(front_end([[0.0, 1.0]] * 3, gate_bias=-2.0))  # sigmoid(-2) = 0.119
    assert sum(found["counts"]) == 3 * 8
    assert found["counts"][2] == 24
    assert found["edges"][:4] == pytest.approx([0, 0.05, 0.1, 0.15])
    assert len(found["edges"]) == len(found["counts"]) + 1


def test_a_healthy_front_end_raises_no_alarm():
    assert front_end_alarms(numbers([[9.0, 0.0], [0.0, 9.0]]), EvaluateConfig()) == []


@pytest.mark.parametrize(
    ("logits", "bias", "name"),
    [
        ([[9.0, 0.0]] * 2, 0.0, "prompt collapse"),
        ([[9.0, 0.0], [0.0, 9.0]], 9.0, "gate saturation"),
        ([[9.0, 0, 0, 0, 0], [0, 9.0, 0, 0, 0]], 0.0, "pool under-use"),
    ],
)
def test_each_failure_raises_its_own_alarm_with_value_and_threshold(logits, bias, name):
    (alarm,) = front_end_alarms(numbers(logits, bias), EvaluateConfig())
    assert alarm.name == name
    assert alarm.value != alarm.threshold
    assert alarm.message.endswith(".")


@pytest.mark.parametrize("logits", [[[0.0, 0.0]], [[0.0], [0.0]]])
def test_one_task_or_one_prompt_leaves_no_choice_to_warn_of(logits):
    found = numbers(logits)
    assert "mixing_js_divergence" not in found
    assert [alarm.name for alarm in front_end_alarms(found, EvaluateConfig())] == [
        "pool under-use"
    ] * (len(logits[0]) > 1)


def test_a_task_weight_at_either_bound_raises_an_alarm_that_names_the_task_and_the_step():
    last = {"mood": 0.1, "pick": 1.0, "topic": 10.0}
    found = weight_alarms((40, task, "task_weight", value) for task, value in last.items())
    assert [(alarm.value, alarm.threshold) for alarm in found] == [(0.1, 0.1), (10.0, 10.0)]
    assert "mood" in found[0].message
    assert "topic" in found[1].message
    assert "step 40" in found[0].message


def test_a_task_weight_that_left_its_bound_again_still_raises_an_alarm():
    values = {10: 1.0, 20: 0.1, 30: 0.1, 40: 0.8}
    rows = [(step, "mood", "task_weight", value) for step, value in values.items()]
    (alarm,) = weight_alarms([*rows, (30, "pick", "loss", 12.0)])
    assert "step 20" in alarm.message


def test_a_temperature_that_wins_on_every_task_raises_an_alarm():
    scores = {0.9: [0.5, 0.6, 0.7], 0.7: [0.6, 0.7, 0.81], 1.0: [0.5, 0.6, 0.7]}
    (alarm,) = temperature_alarms(0.9, scores)
    assert "0.7" in alarm.message
    assert alarm.value == pytest.approx(0.31 / 3)


def test_a_temperature_that_wins_within_the_noise_raises_none():
    assert temperature_alarms(0.9, {0.9: [0.5, 0.6, 0.7], 0.7: [0.8, 0.5, 0.65]}) == []


def test_one_task_is_too_few_to_tell_a_gain_from_noise():
    assert temperature_alarms(0.9, {0.9: [0.5], 0.7: [0.9]}) == []
