"""Candidates that share one reading of the text, against each read with a text of its own."""

import dataclasses

import pytest
import torch

from dpf_core.backbone.answers import collate_answers
from dpf_core.backbone.decoder import Decoder
from dpf_core.batching import collate
from tests.core.backbone.slowly import one_row

TOLERANCE = {"atol": 2e-5, "rtol": 1e-5}
"""Of mean log-likelihoods of size up to 17 in fp32. Seen: 5e-6 at most (bart), 2e-6 elsewhere."""
LONG = list(range(6, 18))
CANDIDATES = {
    "lengths_1_to_12": [[[7], LONG, [9, 8, 7]], [LONG[::-1], [6]], [[8, 8]]],
    "one_alone": [[[11, 12]], [[7]], [LONG]],
    "repeated": [[[7, 8], [9], [7, 8]], [[6], [6], [6]], [[9, 9], [9], [9, 9, 9]]],
    "one_begins_another": [[[7, 8], [7], [7, 8, 9, 10]], [[5, 6], [5]], [[9]]],
}
candidates = pytest.mark.parametrize("rows", CANDIDATES.values(), ids=CANDIDATES)
depths = pytest.mark.parametrize("depth", [1, 2])


def batch_of(world, rows):
    """The first inputs of three tasks, of different lengths, with these candidates."""
    batch, _ = collate(world.rows()[: len(rows)])
    assert len(set(batch.attention_mask.sum(dim=1).tolist())) > 1
    return dataclasses.replace(batch, answers=collate_answers(rows))


def likelihood_slowly(model, batch, row, ids):
    """Mean log-likelihood of one candidate after one unpadded text, read for it alone."""
    backbone, (embeds, mask, deeper) = model.backbone, one_row(model, batch, row)
    answer = torch.tensor([ids])
    if isinstance(backbone, Decoder):
        whole = torch.cat([embeds, backbone.embed(answer)], dim=1)
        ones = torch.ones(whole.shape[:2], dtype=torch.int64)
        logits = backbone.next_token_logits(whole, ones, deeper)
        logits = logits[0, embeds.shape[1] - 1 : -1]
    else:
        start = torch.tensor([[backbone.model.config.decoder_start_token_id]])
        shifted = torch.cat([start, answer[:, :-1]], dim=1)
        logits = backbone.next_token_logits(embeds, mask, shifted, deeper)[0]
    every = logits.double().log_softmax(dim=-1)
    return sum(float(every[i, token]) for i, token in enumerate(ids)) / len(ids)


@depths
@candidates
def test_scores_are_mean_log_likelihoods_of_each_candidate_read_alone(writer, depth, rows):
    model = writer.model(prompted_depth=depth)
    batch = batch_of(writer, rows)
    with torch.no_grad():
        found = model(batch)
        for row, ids in enumerate(rows):
            expected = [likelihood_slowly(model, batch, row, one) for one in ids]
            torch.testing.assert_close(found[row, : len(ids)], torch.tensor(expected), **TOLERANCE)
            assert torch.isneginf(found[row, len(ids) :]).all()


def test_a_candidate_scores_the_same_beside_any_others(writer):
    model = writer.model()
    rows = CANDIDATES["repeated"]
    scores = model(batch_of(writer, rows))
    torch.testing.assert_close(scores[0, 0], scores[0, 2], **TOLERANCE)
    swapped = model(batch_of(writer, [ids[::-1] for ids in rows]))
    torch.testing.assert_close(swapped.flip(1), scores, **TOLERANCE)


def test_a_gradient_flows_to_the_prompt_as_it_does_from_candidates_read_alone(writer):
    model, rows = writer.model(prompted_depth=2), CANDIDATES["lengths_1_to_12"]
    batch, pool = batch_of(writer, rows), model.front_end.pool.prompts
    scores = model(batch)
    (found,) = torch.autograd.grad(scores[torch.isfinite(scores)].sum(), pool)
    slow = [gradient_slowly(model, batch, i, ids) for i, row in enumerate(rows) for ids in row]
    torch.testing.assert_close(found, sum(slow), atol=1e-4, rtol=1e-4)
    assert found.abs().max() > 0.1


def gradient_slowly(model, batch, row, ids):
    one = dataclasses.replace(
        batch,
        task_ids=batch.task_ids[row : row + 1],
        input_ids=batch.input_ids[row : row + 1],
        attention_mask=batch.attention_mask[row : row + 1],
        answers=collate_answers([[ids]]),
    )
    (gradient,) = torch.autograd.grad(model(one).sum(), model.front_end.pool.prompts)
    return gradient


def test_an_answer_keeps_its_tokens_after_an_input_and_is_closed_on_demand(writer):
    backbone = writer.backbone
    plain, closed = (backbone.answer_ids("lovely dog", is_closed=c) for c in (False, True))
    end = backbone.model.generation_config.eos_token_id
    assert closed[-1] == end
    assert backbone.decode(torch.tensor([closed])) == ["lovely dog"]
    if isinstance(backbone, Decoder):
        assert closed == [*plain, end]
        whole = backbone.tokenizer("the lovely dog")["input_ids"]
        assert whole[-len(plain) :] == plain
