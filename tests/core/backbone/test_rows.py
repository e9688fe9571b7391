"""Padding, batch order and batch size change nothing of a row, for every family."""

import dataclasses

import pytest
import torch

from dpf_core.backbone.answers import Answers
from dpf_core.backbone.generation import Generation
from dpf_core.batching import collate
from tests.properties import pad

TOLERANCE = {"atol": 2e-5, "rtol": 1e-5}
"""Of scores of size up to 17 in fp32: sums in another order. Seen: 3e-6 at most for more padding,
7e-6 for a row alone (llama and mistral; 1e-6 for t5)."""
PADDING = [(4, 0), (0, 4), (1, 2)]
depths = pytest.mark.parametrize("depth", [1, 2])
padded = pytest.mark.parametrize(("left", "right"), PADDING)


@pytest.fixture
def made(any_world):
    """Return a model at a depth, and batches of its tasks whose rows have different lengths."""

    def at(depth):
        model = any_world.model(prompted_depth=depth)
        kinds = [(0, 2), (1,)] if model.heads is not None else [(0, 1, 3)]
        return model, [collate(any_world.rows(*tasks))[0] for tasks in kinds]

    return at


@pytest.fixture
def writing(writer):
    """Return a model at a depth, and a batch whose rows have different lengths."""

    def at(depth):
        return writer.model(prompted_depth=depth), collate(writer.rows()[:12])[0]

    return at


def alone(batch, row):
    """The row without the padding that other rows need, and without their options and answers."""
    answers, options = batch.answers, batch.options
    if answers is not None:
        mask = answers.mask[row]
        count, longest = int(mask.any(dim=1).sum()), int(mask.sum(dim=1).max())
        kept = (slice(row, row + 1), slice(count), slice(longest))
        answers = Answers(answers.token_ids[kept], answers.mask[kept])
    if options is not None:
        options = options[row : row + 1, : int(options[row].any(dim=1).sum())]
    length = int(batch.attention_mask[row].sum())
    return dataclasses.replace(
        batch,
        task_ids=batch.task_ids[row : row + 1],
        input_ids=batch.input_ids[row : row + 1, :length],
        attention_mask=batch.attention_mask[row : row + 1, :length],
        options=options,
        answers=answers,
    )


@depths
@padded
def test_more_padding_does_not_change_the_scores(made, depth, left, right):
    model, batches = made(depth)
    for batch in batches:
        found = model(pad(batch, left=left, right=right))
        torch.testing.assert_close(found, model(batch), **TOLERANCE)


@depths
def test_a_row_alone_has_the_scores_that_it_has_in_a_batch(made, depth):
    model, batches = made(depth)
    for batch in batches:
        assert len(set(batch.attention_mask.sum(dim=1).tolist())) > 1
        for row, scores in enumerate(model(batch)[:10]):
            found = model(alone(batch, row))[0]
            torch.testing.assert_close(found[: len(scores)], scores[: len(found)], **TOLERANCE)
            assert torch.isneginf(scores[len(found) :]).all()


@depths
@padded
@pytest.mark.parametrize("use_cache", [True, False], ids=["cache", "no_cache"])
def test_more_padding_does_not_change_what_is_written(writing, depth, left, right, use_cache):
    model, batch = writing(depth)
    generation = Generation(max_new_tokens=4, use_cache=use_cache)
    found = model.generate(pad(batch, left=left, right=right), generation)
    assert found == model.generate(batch, generation)


@depths
def test_a_row_alone_is_answered_as_it_is_in_a_batch(writing, depth):
    model, batch = writing(depth)
    generation = Generation(max_new_tokens=4)
    texts = [model.generate(alone(batch, row), generation)[0] for row in range(12)]
    assert texts == model.generate(batch, generation)
    assert len(set(texts)) > 3
