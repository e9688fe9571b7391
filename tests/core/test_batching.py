import pytest

from dpf_core.batching import collate, micro_batches
from dpf_core.examples import encode_rows
from tests import tiny


def test_a_collated_batch_holds_each_row_and_masks_the_rest(world):
    pairs = [*world.rows(0)[:2], *world.rows(2)[:2]]
    batch, labels = collate(pairs)
    for row, (task, index) in enumerate(pairs):
        real = batch.attention_mask[row].bool()
        assert batch.input_ids[row][real].tolist() == task.token_ids[index]
        assert batch.task_ids[row] == task.task_id
        assert labels[row] == task.label_ids[index]
    assert batch.attention_mask.sum(dim=1).max() == batch.input_ids.shape[1]


def test_options_of_tasks_with_different_numbers_are_collated_with_zeros(world):
    two = encode_rows(
        tiny.rows(("which (A) sun (B) rain", "sun")), world.specs[1], 1, world.backbone
    )
    batch, _ = collate([(world.train_sets[1], 0), (two, 0)])
    assert batch.options.shape == (2, 3, 16)
    assert not batch.options[1, 2].any()


@pytest.mark.parametrize("batch_tokens", [1, 30, 64, 4096])
def test_micro_batches_hold_every_row_once_with_one_kind_of_head_and_bounded_size(
    world, batch_tokens
):
    pairs = world.rows()
    groups = list(micro_batches(pairs, prompt_length=3, batch_tokens=batch_tokens))
    assert sorted(i for group in groups for i in group) == list(range(len(pairs)))
    for group in groups:
        assert len({pairs[i][0].options is None for i in group}) == 1
        width = 3 + max(len(pairs[i][0].token_ids[pairs[i][1]]) for i in group)
        assert len(group) == 1 or width * len(group) <= batch_tokens


def test_enough_tokens_make_one_micro_batch_a_kind_of_head(world):
    groups = list(micro_batches(world.rows(), prompt_length=3, batch_tokens=10**6))
    assert len(groups) == 2
