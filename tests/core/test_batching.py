import dataclasses

import pytest

from dpf_core.batching import collate, micro_batches
from dpf_core.examples import encode_rows
from dpf_core.heads import HeadSpec
from tests import tiny

LABELS = ("animal", "food", "tool")
SPEC = HeadSpec(
    name="topic", kind="classification", labels=LABELS, label_texts=LABELS,
    metric="ACC", description="",
)  # fmt: skip


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


def test_candidates_that_read_the_input_anew_each_count_it(tmp_path):
    family = tiny.backbone(tmp_path / "t5", "t5")
    spec = dataclasses.replace(SPEC, labels=LABELS, label_texts=LABELS)
    rows = encode_rows(tiny.rows(*[("the dog runs", LABELS[0])] * 6), spec, 0, family)
    pairs = [(rows, i) for i in range(6)]
    ids, answers = len(rows.token_ids[0]), rows.answer_ids[0]
    width = 3 * (3 + ids) + 3 * max(map(len, answers))
    assert family.repeats_input
    groups = list(micro_batches(pairs, prompt_length=3, batch_tokens=2 * width, repeats_input=True))
    assert [len(group) for group in groups] == [2, 2, 2]
