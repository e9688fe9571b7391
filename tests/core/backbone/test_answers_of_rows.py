"""Rows of a gym as a language model gets them: candidates to rank, free text to write."""

import dataclasses

import pytest
import torch

from dpf_core.backbone.generation import Generation
from dpf_core.batching import collate, micro_batches
from dpf_core.config import TrainConfig
from dpf_core.errors import GymError
from dpf_core.evaluation.metrics import score
from dpf_core.evaluation.per_task import mean_loss, predict, quick_score, score_task
from dpf_core.examples import encode_rows, most_frequent_answer
from dpf_core.gym.reader import Row
from dpf_core.training.optimizer import build_optimizer
from dpf_core.training.step import accumulate_gradients
from tests import tiny

MOOD, PICK, REPLY, TOPIC = range(4)


def encoded(world, task, *rows):
    return encode_rows(tiny.rows(*rows), world.specs[task], task, world.backbone)


def test_every_row_of_a_classification_has_the_labels_as_candidates(writer):
    found = encoded(writer, TOPIC, ("my spoon", "tool"), ("soup", "food"))
    labels = [writer.backbone.answer_ids(t, is_closed=False) for t in writer.specs[TOPIC].labels]
    assert found.answer_ids == [labels, labels]
    assert (found.label_ids, found.options, found.references) == ([2, 1], None, None)


def test_options_are_candidates_and_stay_in_the_input(writer):
    found = encoded(writer, PICK, ("which (A) dog (B) nail (C) sun", "nail"))
    assert [writer.backbone.decode(torch.tensor([ids])) for ids in found.answer_ids[0]] == [
        ["dog"], ["nail"], ["sun"],
    ]  # fmt: skip
    assert found.label_ids == [1]
    text = writer.backbone.decode(torch.tensor(found.token_ids))[0]
    assert all(option in text for option in ("dog", "nail", "sun"))


def test_free_text_is_one_closed_candidate_beside_all_accepted_answers(writer):
    row = Row("birds sing", "a bird", 1, further=("the sun",))
    found = encode_rows([row], writer.specs[REPLY], REPLY, writer.backbone)
    assert found.answer_ids == [[writer.backbone.answer_ids("a bird", is_closed=True)]]
    assert found.references == [("a bird", "the sun")]
    assert found.label_ids == [0]


@pytest.mark.parametrize("task", [MOOD, PICK, REPLY])
def test_answers_are_cut_to_their_limit_and_counted(writer, task):
    long = "dog " * 9 + "sun"
    row = {
        MOOD: ("the sun", "sad"),
        PICK: (f"which (A) dog (B) {long}", "dog"),
        REPLY: ("the sun", long),
    }[task]
    spec = dataclasses.replace(writer.specs[task], label_texts=("sad", long))
    found = encode_rows(tiny.rows(row, row), spec, task, writer.backbone)
    limit = writer.backbone.config.max_answer_length
    assert max(len(ids) for ids in found.answer_ids[0]) == limit
    assert found.num_truncated_answers == 2
    short = encoded(writer, MOOD, ("the sun", "sad"))
    assert short.num_truncated_answers == 0


def test_cut_answers_are_in_the_scores_of_a_task(writer):
    found = encoded(writer, REPLY, ("the sun", "dog " * 10), ("the sun", "a bird"))
    assert score_task(writer.model(), found, "dog").truncated_answers == 1


def test_a_candidate_without_a_token_is_refused_by_name(writer, monkeypatch):
    monkeypatch.setattr(type(writer.backbone), "answer_ids", lambda *_, **__: [])
    with pytest.raises(GymError, match=r"one token, got none for 'happy' \(mood\)\. Correct"):
        encoded(writer, MOOD, ("the sun", "sad"))


def test_micro_batches_keep_free_text_apart_and_count_the_answers_tokens(writer):
    pairs, limit = writer.rows(), 120
    for group in micro_batches(pairs, prompt_length=3, batch_tokens=limit):
        tasks = [pairs[i][0] for i in group]
        assert len({task.references is None for task in tasks}) == 1
        batch, _ = collate([pairs[i] for i in group])
        width = 3 + batch.input_ids.shape[1] + batch.answers.mask[0].numel()
        assert len(group) == 1 or width * len(group) <= limit


def test_predictions_of_free_text_are_what_the_model_writes(writer):
    model, examples = writer.model(), writer.train_sets[REPLY]
    batch, _ = collate(writer.rows(REPLY))
    limit = writer.backbone.config.max_answer_length
    expected = model.generate(batch, Generation(max_new_tokens=limit))
    assert predict(model, examples) == expected
    assert len(set(expected)) > 1


def test_the_loss_of_free_text_is_the_mean_negative_log_likelihood_of_its_answers(writer):
    model, examples = writer.model(), writer.train_sets[REPLY]
    batch, _ = collate(writer.rows(REPLY))
    expected = -float(model(batch)[:, 0].detach().mean())
    assert mean_loss(model, examples) == pytest.approx(expected, rel=1e-5)
    assert expected > 1


def test_the_scores_of_free_text_compare_with_all_accepted_answers(writer, monkeypatch):
    model, examples = writer.model(), writer.train_sets[REPLY]
    several = [(first[0], "nobody") for first in examples.references]
    examples = dataclasses.replace(examples, references=several)
    monkeypatch.setattr(
        "dpf_core.evaluation.per_task.predict", lambda *_: ["nobody"] * len(several)
    )
    found = score_task(model, examples, "dog")
    assert found.score == quick_score(model, examples) == 1
    assert found.majority_score == score("Rouge-L", ["dog"] * len(several), several) < 1


def test_the_most_frequent_free_text_is_a_text(world_of):
    rows = tiny.rows(("a", "the sun"), ("b", "soup"), ("c", "the sun"))
    assert most_frequent_answer(rows, world_of("gpt2").specs[REPLY]) == "the sun"


def test_training_lowers_the_loss_of_free_text(writer):
    model, examples = writer.model(), writer.train_sets[REPLY]
    before = mean_loss(model, examples)
    optimizer = build_optimizer(model, tiny.config(TrainConfig))
    for _ in range(10):
        optimizer.zero_grad(set_to_none=True)
        accumulate_gradients(model, writer.rows(REPLY), torch.ones(4))
        optimizer.step()
    assert mean_loss(model, examples) < before - 0.1
