import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpf_core.errors import ConfigError
from dpf_core.loss_balancing import (
    WEIGHT_BOUNDS,
    EqualWeights,
    FixedWeights,
    GradNorm,
    RandomWeights,
    renormalise,
)

LOW, HIGH = WEIGHT_BOUNDS
SETTINGS = {"restoring_force": 0.5, "learning_rate": 0.1}
positive = st.floats(1e-3, 1e3)


def balancer(initial=(1.0, 2.0, 4.0), **changes):
    return GradNorm(torch.tensor(initial), **SETTINGS | changes)


def equation_7(weights, tasks, losses, norms, initial, alpha, rate):
    """Return the stepped weights by METHOD's equation 7, in plain Python; norms are unweighted.

    The gradient is divided by the mean weighted norm: the one addition to the equation.
    """
    mean = lambda values: sum(values) / len(values)  # noqa: E731
    weighted = [weights[t] * n for t, n in zip(tasks, norms, strict=True)]
    progress = [loss / initial[t] for t, loss in zip(tasks, losses, strict=True)]
    stepped = list(weights)
    for t, big, small, share in zip(tasks, weighted, norms, progress, strict=True):
        target = mean(weighted) * (share / mean(progress)) ** alpha
        gradient = math.copysign(1, big - target) * small  # d |G_t - target_t| / d lambda_t
        log_weight = math.log(weights[t]) - rate * gradient * weights[t] / mean(weighted)
        stepped[t] = min(max(math.exp(log_weight), LOW), HIGH)
    kept = sum(w for t, w in enumerate(weights) if t not in tasks)
    factor = (len(weights) - kept) / sum(stepped[t] for t in tasks)
    return [w * factor if t in tasks else w for t, w in enumerate(stepped)]


def test_two_updates_follow_equation_7():
    made, expected = balancer(), [1.0, 1.0, 1.0]
    steps = [([0, 1, 2], [0.9, 1.0, 5.0], [3.0, 1.0, 2.0]), ([0, 2], [0.5, 2.0], [1.0, 4.0])]
    for tasks, losses, norms in steps:
        made.update(*map(torch.tensor, (tasks, losses, norms)))
        expected = equation_7(expected, tasks, losses, norms, [1.0, 2.0, 4.0], 0.5, 0.1)
        assert made.weights.tolist() == pytest.approx(expected, rel=1e-5)


def test_tasks_that_are_alike_keep_equal_weights():
    made = balancer(initial=(2.0, 2.0, 2.0))
    for _ in range(5):
        made.update(torch.arange(3), torch.full((3,), 0.7), torch.full((3,), 3.0))
    assert made.weights.tolist() == pytest.approx([1.0, 1.0, 1.0])


def test_a_task_with_a_larger_gradient_loses_weight():
    made = balancer(initial=(1.0, 1.0))
    made.update(torch.arange(2), torch.ones(2), torch.tensor([5.0, 1.0]))
    assert made.weights[0] < 1 < made.weights[1]


def test_a_task_that_learns_slowly_gains_weight():
    made = balancer(initial=(1.0, 1.0))
    made.update(torch.arange(2), torch.tensor([0.1, 1.0]), torch.ones(2))
    assert made.weights[0] < 1 < made.weights[1]


def test_without_a_restoring_force_weighted_norms_become_equal():
    made, norms = balancer(restoring_force=0.0, learning_rate=0.02), torch.tensor([1.0, 2.0, 4.0])
    for _ in range(200):
        made.update(torch.arange(3), torch.ones(3), norms)
    weighted = made.weights * norms
    assert weighted.max() / weighted.min() < 1.1


@given(st.lists(st.tuples(positive, positive, st.booleans()), min_size=4, max_size=4),
       st.floats(0, 3), st.floats(0.001, 2))  # fmt: skip
def test_weights_stay_within_bounds_sum_to_t_and_absent_tasks_keep_theirs(rows, alpha, rate):
    made = balancer(initial=[1.0] * 4, restoring_force=alpha, learning_rate=rate)
    losses, norms, present = zip(*rows, strict=True)
    for shift in range(6):
        tasks = [t for t in range(4) if present[(t + shift) % 4]] or [shift % 4]
        before = made.weights.clone()
        made.update(*map(torch.tensor, (tasks, losses[: len(tasks)], norms[: len(tasks)])))
        absent = [t for t in range(4) if t not in tasks]
        assert torch.equal(made.weights[absent], before[absent])
    assert LOW - 1e-6 <= made.weights.min() <= made.weights.max() <= HIGH + 1e-6
    assert float(made.weights.sum()) == pytest.approx(4, rel=1e-6)


def test_the_unit_of_the_loss_does_not_matter():
    small, large = balancer(), balancer()
    losses, norms = torch.tensor([0.9, 1.0, 5.0]), torch.tensor([3.0, 1.0, 2.0])
    small.update(torch.arange(3), losses, norms)
    large.update(torch.arange(3), losses * 1000, norms * 1000)
    torch.testing.assert_close(small.weights, large.weights)


@pytest.mark.parametrize(("losses", "norms"), [([0.0, 0.0], [0.0, 0.0]), ([0.0, 0.0], [1.0, 0.0]),
                                               ([1.0, 0.0], [0.0, 0.0])])  # fmt: skip
def test_losses_and_gradients_of_zero_leave_finite_weights(losses, norms):
    made = balancer(initial=(1.0, 1.0))
    made.update(torch.arange(2), torch.tensor(losses), torch.tensor(norms))
    assert made.weights.isfinite().all()


def test_an_initial_loss_of_zero_that_progress_cannot_be_measured_by_is_refused():
    with pytest.raises(ConfigError, match=r"must be > 0 where GradNorm .* got 0.0 for task 0"):
        balancer(initial=(0.0, 1.0))


def test_one_task_alone_keeps_its_weight():
    made = balancer()
    made.update(torch.tensor([1]), torch.tensor([0.3]), torch.tensor([2.0]))
    assert made.weights.tolist() == pytest.approx([1.0, 1.0, 1.0])


def test_what_a_clamp_takes_goes_to_the_others():
    weights = renormalise(torch.tensor([1e-4, 2.0, 4.0]), torch.arange(3))
    assert weights.tolist() == pytest.approx([0.1, 2.9 / 3, 5.8 / 3], rel=1e-4)


@pytest.mark.parametrize(("moving", "absent"), [(3, 1), (40, 10)])
def test_the_sum_is_exact_also_where_every_moving_weight_must_end_at_a_bound(moving, absent):
    num_tasks = moving + absent
    kept = (num_tasks - LOW * moving) / absent  # leaves LOW for each moving weight
    weights = torch.tensor([kept] * absent + [0.7] + [LOW] * (moving - 1))
    found = renormalise(weights, torch.arange(absent, num_tasks))
    assert found[absent:].tolist() == pytest.approx([LOW] * moving, rel=1e-4)
    assert float(found.sum()) == pytest.approx(num_tasks, rel=1e-6)


def test_equal_weights_stay_at_one():
    made = EqualWeights(3)
    made.update(torch.arange(3), torch.rand(3), torch.rand(3))
    assert made.weights.tolist() == [1.0, 1.0, 1.0]


def test_random_weights_are_drawn_anew_at_each_step_positive_with_sum_t():
    balancer = RandomWeights(5, seed=13)
    seen = []
    for _ in range(3):
        seen.append(balancer.weights)
        balancer.update(torch.arange(5), torch.ones(5), torch.ones(5))
    assert all(float(weights.sum()) == pytest.approx(5, abs=1e-5) for weights in seen)
    assert all(bool((weights > 0).all()) for weights in seen)
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(RandomWeights(5, seed=13, step=2).weights, seen[2])
    assert not torch.equal(RandomWeights(5, seed=14).weights, seen[0])


@pytest.mark.parametrize("power", [-1.0, 0.0, 0.5])
def test_fixed_weights_are_powers_of_the_initial_losses_with_sum_t(power):
    made, losses = FixedWeights(torch.tensor([0.5, 1.0, 3.0]), power=power), [0.5, 1.0, 3.0]
    powers = [loss**power for loss in losses]
    expected = torch.tensor([3 * p / sum(powers) for p in powers])
    torch.testing.assert_close(made.weights, expected)
    made.update(torch.arange(3), torch.rand(3), torch.rand(3))
    torch.testing.assert_close(made.weights, expected)


def test_powers_of_an_initial_loss_of_zero_are_refused():
    with pytest.raises(ConfigError, match=r"must be > 0 .* got 0.0 for task 1"):
        FixedWeights(torch.tensor([1.0, 0.0]), power=-1.0)
