import dataclasses
import logging

import pytest
import torch

from dpf_core.backbone.texts import embed_texts
from dpf_core.errors import GymError
from dpf_core.examples import encode_rows, head_spec, split_training_rows
from dpf_core.gym.reader import read_split
from tests import tiny

REPEATED = [(f"the dog runs {word}", "sad") for word in ("day", "sun", "rain", "cold") * 5]
LIMITS = {"dev_rows": 3, "max_train_rows": 4, "seed": 7}


@pytest.fixture(scope="module")
def repeated_gym(tmp_path_factory):
    """A task whose 20 rows hold only 4 inputs, so that dev inputs come again."""
    fields = {"kind": "classification", "labels": ["sad", "happy"]}
    rows = [*REPEATED, *tiny.MOOD]
    return tiny.gym(tmp_path_factory.mktemp("repeated"), {"mood": (fields, rows)})


def split(gym, name="mood", **changes):
    return split_training_rows(gym, tiny.record(gym, name), **LIMITS | changes)


@pytest.mark.parametrize("seed", range(5))
def test_every_training_row_is_used_or_counted(repeated_gym, seed):
    train, dev, counts = split(repeated_gym, seed=seed)
    total = len(read_split(repeated_gym, tiny.record(repeated_gym, "mood"), "full_train"))
    assert (counts.train, counts.dev) == (len(train), len(dev))
    assert sum(dataclasses.astuple(counts)) == total


@pytest.mark.parametrize("seed", range(5))
def test_no_input_stands_in_train_and_dev(repeated_gym, seed):
    train, dev, counts = split(repeated_gym, seed=seed, dev_rows=6, max_train_rows=100)
    assert not {row.input for row in train} & {row.input for row in dev}
    assert counts.removed_dev_overlap > 0
    assert counts.capped == 0


def test_dev_rows_are_at_most_a_fifth_of_the_rows(tiny_gym):
    assert split(tiny_gym, dev_rows=100)[2].dev == 2  # of 12


def test_the_seed_chooses_the_rows(tiny_gym):
    first, again, other = (split(tiny_gym, seed=seed)[0] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_more_allowed_rows_only_add_rows(tiny_gym):
    few, many = (split(tiny_gym, max_train_rows=n)[0] for n in (2, 6))
    assert many[:2] == few


def test_a_task_without_rows_beside_dev_is_refused(tmp_path):
    fields = {"kind": "classification", "labels": ["sad", "happy"], "shots": 1}
    gym = tiny.gym(tmp_path, {"mood": (fields, [("rain", "sad"), ("rain", "happy")] * 2)})
    with pytest.raises(GymError, match=r"got 4 rows with 1 held out \(mood, full_train\)"):
        split(gym)


def test_a_label_without_its_own_words_describes_itself(tiny_gym):
    record = dataclasses.replace(tiny.record(tiny_gym, "mood"), label_texts={"sad": "a sad text"})
    spec = head_spec(record)
    assert spec.labels == ("sad", "happy")
    assert spec.label_texts == ("a sad text", "happy")


def test_tokens_and_labels_are_those_of_the_rows(world):
    rows = tiny.rows(("the dog runs", "animal"), ("my spoon", "tool"))
    found = encode_rows(rows, world.specs[2], 2, world.backbone)
    tokenizer = world.backbone.tokenizer
    assert [tokenizer.decode(ids) for ids in found.token_ids] == [
        "[CLS] the dog runs [SEP]",
        "[CLS] my spoon [SEP]",
    ]
    assert found.label_ids == [0, 2]
    assert (found.num_truncated, found.options, found.candidates) == (0, None, None)


def test_a_long_input_is_cut_keeps_its_end_token_and_is_counted(world):
    rows = tiny.rows(("dog " * 40, "animal"), ("the dog", "animal"), ("dog " * 14, "animal"))
    found = encode_rows(rows, world.specs[2], 2, world.backbone)
    assert list(map(len, found.token_ids)) == [16, 4, 16]
    assert found.token_ids[0][-1] == world.backbone.tokenizer.sep_token_id
    assert found.num_truncated == 1


def test_an_unknown_label_is_refused_with_task_line_and_the_nearest_one(world):
    rows = tiny.rows(("the dog", "animal"), ("the cat", "animals"))
    with pytest.raises(GymError, match=r"'animals' \(topic, line 2\)\. Did you mean 'animal'"):
        encode_rows(rows, world.specs[2], 2, world.backbone)


def test_options_are_the_unit_vectors_of_their_texts_and_zero_where_absent(world):
    rows = tiny.rows(("which (A) dog (B) nail", "nail"), ("which (A) sun (B) rain (C) dog", "dog"))
    found = encode_rows(rows, world.specs[1], 1, world.backbone)
    vectors = torch.nn.functional.normalize(embed_texts(world.backbone, ["dog", "nail"]), dim=-1)
    torch.testing.assert_close(found.options[0, :2], vectors, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.options[1, 2], vectors[0], atol=1e-5, rtol=1e-5)
    assert not found.options[0, 2].any()
    assert found.label_ids == [1, 2]
    assert found.candidates == [("dog", "nail"), ("sun", "rain", "dog")]
    assert world.backbone.tokenizer.decode(found.token_ids[0]) == "[CLS] which [SEP]"


def test_a_multiple_choice_row_without_options_is_refused_with_task_and_line(world):
    rows = tiny.rows(("which (A) dog (B) nail", "nail"), ("which", "dog"))
    with pytest.raises(GymError, match=r"lettered options .*'which' \(pick, line 2\)"):
        encode_rows(rows, world.specs[1], 1, world.backbone)


def test_the_first_rows_of_a_task_keep_their_fields_together(world):
    whole, first = world.train_sets[1], world.train_sets[1].head(3)
    assert len(first) == 3
    assert first.candidates == whole.candidates[:3]
    assert torch.equal(first.options, whole.options[:3])
    assert len(whole.head(99)) == len(whole)


def test_reading_long_inputs_logs_no_warning(world, caplog):
    with caplog.at_level(logging.WARNING):
        encode_rows(tiny.rows(("dog " * 600, "animal")), world.specs[2], 2, world.backbone)
    assert caplog.records == []
