import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpf_core.training.mixing import mixing_table, task_probabilities

SHAPE = {"num_steps": 40, "batch_size": 9}


def table(counts, *, sampling_temperature=2.0, seed=0, **changes):
    return mixing_table(
        counts, sampling_temperature=sampling_temperature, seed=seed, **SHAPE | changes
    )


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 99))
def test_every_row_of_a_task_comes_once_before_any_comes_again(counts, seed):
    found = table(counts, seed=seed)
    for task, count in enumerate(counts):
        rows = found[found[:, :, 0] == task][:, 1]
        for start in range(0, len(rows), count):
            epoch = rows[start : start + count]
            assert len(set(epoch.tolist())) == len(epoch)
            assert set(epoch.tolist()) <= set(range(count))


@given(st.lists(st.integers(1, 500), min_size=1, max_size=6), st.floats(0.5, 20))
def test_a_tasks_count_in_a_step_is_within_one_of_its_expectation(counts, temperature):
    found = table(counts, sampling_temperature=temperature)
    expected = SHAPE["batch_size"] * task_probabilities(counts, temperature)
    for task, mean in enumerate(expected):
        assert (np.abs((found[:, :, 0] == task).sum(axis=1) - mean) < 1 + 1e-9).all()


def test_the_expected_counts_are_unbiased_also_for_a_task_too_small_for_every_step():
    counts = [1, 40, 400]
    found = table(counts, sampling_temperature=1.0, num_steps=4000)
    expected = SHAPE["batch_size"] * np.array(counts) / 441
    for task, mean in enumerate(expected):
        drawn = (found[:, :, 0] == task).sum(axis=1)
        error = drawn.std() / np.sqrt(len(drawn))
        assert drawn.mean() == pytest.approx(mean, abs=4 * error)


def test_a_large_sampling_temperature_draws_tasks_alike_and_1_draws_by_size():
    assert task_probabilities([1, 100], 1e9).tolist() == pytest.approx([0.5, 0.5])
    assert task_probabilities([1, 3], 1.0).tolist() == [0.25, 0.75]


def test_the_table_depends_on_the_seed_alone():
    np.random.seed(1)  # noqa: NPY002 - shows that the global generator does not matter
    first = table([5, 50])
    np.random.seed(2)  # noqa: NPY002
    assert np.array_equal(first, table([5, 50]))
    assert not np.array_equal(first, table([5, 50], seed=1))


def test_which_tasks_a_step_holds_does_not_depend_on_how_many_steps_follow():
    longer = table([5, 50, 7], num_steps=60)
    assert np.array_equal(longer[:40, :, 0], table([5, 50, 7])[:, :, 0])


def test_a_task_that_no_step_draws_gets_no_row():
    found = table([1, 10**6], sampling_temperature=1.0, num_steps=2)
    assert (found[:, :, 0] == 1).all()
