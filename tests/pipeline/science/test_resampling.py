import random

import numpy as np
import pytest

from dpf_core.evaluation.metrics import METRICS, score
from pipeline.science.resampling import resampled_rows, resampled_scores

WORDS = {
    "Matthew-Correlation": ["acceptable", "unacceptable"],
    "Pearson-Correlation": ["0.5", "1", "2.25", "3"],
}


def drawn(metric, num_rows, seed):
    words = WORDS.get(metric, ["a dog", "The dog", "one cat ", "two cats", "so"])
    generator = random.Random(seed)
    texts = [[generator.choice(words) for _ in range(num_rows)] for _ in range(2)]
    return [p if generator.random() < 0.4 else a for p, a in zip(*texts, strict=True)], texts[1]


@pytest.mark.filterwarnings("ignore:A single label was found")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("num_rows", [1, 2, 17])
@pytest.mark.parametrize("metric", METRICS)
def test_a_resample_scores_what_the_metric_says_of_its_rows(metric, num_rows, seed):
    predictions, answers = drawn(metric, num_rows, seed)
    rows = resampled_rows("a task", num_rows, 20)
    expected = [
        score(metric, [predictions[i] for i in draw], [answers[i] for i in draw]) for draw in rows
    ]
    assert resampled_scores(metric, predictions, answers, rows) == pytest.approx(expected)


def test_all_rows_in_order_give_the_score_itself():
    predictions, answers = drawn("Classification-F1", 40, 1)
    rows = np.arange(40)[None]
    whole = score("Classification-F1", predictions, answers)
    assert resampled_scores("Classification-F1", predictions, answers, rows) == [whole]


def test_further_accepted_answers_count_where_the_metric_counts_them():
    rows = resampled_rows("trivia", 2, 3)
    answers = [("a dog", "a hound"), ("soup", "stew")]
    assert resampled_scores("EM", ["hound", "stew"], answers, rows) == [1.0, 1.0, 1.0]


def test_the_resamples_of_a_task_are_the_same_again_and_other_for_another_task():
    first, again, other = (resampled_rows(name, 30, 4) for name in ("trec", "trec", "sick"))
    assert (first == again).all()
    assert (first != other).any()


def test_a_resample_draws_as_many_rows_as_there_are_and_some_of_them_twice():
    rows = resampled_rows("trec", 50, 10)
    assert rows.shape == (10, 50)
    assert {len(set(draw)) < 50 for draw in rows.tolist()} == {True}
