import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpf_core.backbone.answers import collate_answers, mean_log_likelihood

ids = st.lists(st.integers(0, 9), min_size=1, max_size=5)
batches = st.lists(st.lists(ids, min_size=1, max_size=4), min_size=1, max_size=4)


@given(batches)
def test_collated_answers_hold_every_token_once_and_nothing_else(rows):
    answers = collate_answers(rows)
    most, longest = max(map(len, rows)), max(len(one) for row in rows for one in row)
    assert answers.token_ids.shape == answers.mask.shape == (len(rows), most, longest)
    found = [
        [answers.token_ids[i, j][answers.mask[i, j]].tolist() for j in range(len(row))]
        for i, row in enumerate(rows)
    ]
    assert found == rows
    assert int(answers.mask.sum()) == sum(len(one) for row in rows for one in row)
    assert not answers.token_ids[~answers.mask].any()


@given(batches)
def test_the_score_of_a_candidate_is_the_mean_of_its_tokens_log_likelihoods(rows):
    answers = collate_answers(rows)
    logits = torch.randn(int(answers.mask.sum()), 10)
    found, every = mean_log_likelihood(logits, answers), iter(logits.double().log_softmax(-1))
    for i, row in enumerate(rows):
        expected = [sum(float(next(every)[token]) for token in one) / len(one) for one in row]
        assert found[i, : len(row)].tolist() == pytest.approx(expected, rel=1e-5)
        assert all(math.isinf(value) and value < 0 for value in found[i, len(row) :])


def test_a_longer_candidate_of_equally_likely_tokens_is_no_less_likely():
    answers = collate_answers([[[1], [1, 1, 1, 1]]])
    scores = mean_log_likelihood(torch.zeros(5, 8), answers)
    torch.testing.assert_close(scores, torch.full((1, 2), -math.log(8)))


def test_half_precision_logits_are_summed_in_single_precision():
    answers = collate_answers([[[1, 2, 3]]])
    logits = torch.randn(3, 10).bfloat16()
    found = mean_log_likelihood(logits, answers)
    assert found.dtype == torch.float32
    assert torch.equal(found, mean_log_likelihood(logits.float(), answers))


def test_a_candidate_that_is_not_there_gets_no_gradient_and_makes_none_wrong():
    answers = collate_answers([[[1], [2, 3]], [[4]]])
    logits = torch.randn(4, 6, requires_grad=True)
    scores = mean_log_likelihood(logits, answers)
    torch.nn.functional.cross_entropy(scores, torch.tensor([1, 0])).backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[:3].any(dim=1).all()
    assert not logits.grad[3].any()  # alone, it is chosen whatever it scores
