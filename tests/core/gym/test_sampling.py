import numpy as np
import pytest

from dpf_core.gym.sampling import carved, distinct, each, few_shot, held_out_part, shuffled

LABELS = np.array([number % 2 for number in range(50)], dtype=np.int32)


@pytest.mark.parametrize("seed", [100, 13, 21, 42, 87])
@pytest.mark.parametrize("count", [0, 1, 2, 3000])
def test_the_order_is_that_of_numpys_global_legacy_generator_on_a_list(seed, count):
    expected = [(f"text {number}", "a") for number in range(count)]
    np.random.seed(seed)  # noqa: NPY002 (these two calls are CrossFit's definition)
    np.random.shuffle(expected)  # noqa: NPY002
    assert [(f"text {number}", "a") for number in shuffled(count, seed)] == expected


def test_shuffling_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    shuffled(50, 13)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_a_carve_gives_four_fifths_rounded_down_to_train_and_loses_no_row():
    train, test = carved(9, {})
    assert (len(train), len(test)) == (7, 2)
    assert sorted([*train, *test]) == list(range(9))


@pytest.mark.parametrize(
    ("carve", "train", "test"),
    [
        ({"train": 0.5}, slice(0, 100), slice(100, 200)),
        ({"train": 0.8, "test_from": 0.99}, slice(0, 160), slice(198, 200)),
        ({"train_rows": 10, "test_rows": 3}, slice(0, 10), slice(10, 13)),
    ],
)
def test_a_carve_may_be_written_in_fractions_or_rows(carve, train, test):
    order = shuffled(200, 42).tolist()
    parts = carved(200, carve)
    assert [part.tolist() for part in parts] == [order[train], order[test]]


def test_a_part_of_the_held_out_rows_is_the_head_of_their_shuffle():
    assert held_out_part(39, 0.1).tolist() == shuffled(39, 42).tolist()[:3]


def test_labels_get_their_shots_in_the_order_of_first_appearance():
    train, dev = few_shot(50, shots=3, seed=13, labels=LABELS, num_labels=2)
    order = shuffled(50, 13).tolist()
    first, second = dict.fromkeys(row % 2 for row in order)
    assert (
        train
        == [row for label in (first, second) for row in order if row % 2 == label][:3]
        + [row for row in order if row % 2 == second][:3]
    )
    assert not set(train) & set(dev)


def test_a_label_with_few_rows_gives_them_all_to_train():
    labels = np.array([0] * 40 + [1] * 2, dtype=np.int32)
    train, dev = few_shot(42, shots=3, seed=21, labels=labels, num_labels=2)
    assert sorted(row for row in train if row >= 40) == [40, 41]
    assert all(row < 40 for row in dev)


def test_free_outputs_get_their_shots_altogether():
    train, dev = few_shot(50, shots=4, seed=13)
    assert train + dev == shuffled(50, 13).tolist()[:8]


def test_row_numbers_are_given_one_by_one_across_parts():
    assert list(each(np.arange(200_000, dtype=np.int32))) == list(range(200_000))


def test_the_different_numbers_are_found_across_parts():
    assert distinct(np.array([1] * 70_000 + [5], dtype=np.int32)) == {1, 5}
