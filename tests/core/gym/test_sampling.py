import numpy as np
import pytest

from dpf_core.gym.sampling import carve, sample_few_shot, shuffled

ROWS = [(f"text {number}", "ab"[number % 2]) for number in range(50)]


@pytest.mark.parametrize("seed", [100, 13, 21, 42, 87])
def test_the_order_is_that_of_numpys_global_legacy_generator(seed):
    expected = list(ROWS)
    np.random.seed(seed)  # noqa: NPY002 (these two calls are CrossFit's definition)
    np.random.shuffle(expected)  # noqa: NPY002
    assert shuffled(ROWS, seed) == expected


def test_shuffling_leaves_the_rows_and_the_global_generator_alone():
    before = (list(ROWS), np.random.get_state()[1].tolist())  # noqa: NPY002
    shuffled(ROWS, 13)
    assert (ROWS, np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def test_a_carve_gives_four_fifths_rounded_down_to_train_and_loses_no_row():
    train, test = carve(ROWS[:9])
    assert (len(train), len(test)) == (7, 2)
    assert sorted(train + test) == sorted(ROWS[:9])


def test_labels_get_their_shots_in_the_order_of_first_appearance():
    train, dev = sample_few_shot(ROWS, shots=3, seed=13, per_label=True)
    order = list(dict.fromkeys(label for _, label in shuffled(ROWS, 13)))
    assert [label for _, label in train] == [order[0]] * 3 + [order[1]] * 3
    assert not set(train) & set(dev)


def test_free_outputs_get_their_shots_altogether():
    train, dev = sample_few_shot(ROWS, shots=4, seed=13, per_label=False)
    assert train + dev == shuffled(ROWS, 13)[:8]
