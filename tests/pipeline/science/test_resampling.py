import random
import tracemalloc

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


def by_pairs(predictions, answers, rows):
    """Return the macro-F1 of each resample from its table of (answer, prediction) pairs."""
    names = sorted({*answers, *predictions})
    tables = np.zeros((len(rows), len(names), len(names)), dtype=np.int64)
    for table, drawn in zip(tables, rows, strict=True):
        for i in drawn:
            table[names.index(answers[i]), names.index(predictions[i])] += 1
    seen = tables.sum(axis=1) + tables.sum(axis=2)
    f1 = 2 * tables.diagonal(axis1=1, axis2=2) / np.maximum(seen, 1)
    return (f1.sum(axis=1) / (seen > 0).sum(axis=1)).tolist()


@pytest.mark.parametrize("num_texts", [1, 2, 3, 9, 40, 300])
def test_macro_f1_has_the_bits_of_the_table_of_all_pairs(num_texts):
    generator = random.Random(num_texts)
    texts = [[f"option {generator.randrange(num_texts)}" for _ in range(150)] for _ in range(2)]
    rows = resampled_rows("codah", 150, 20)
    assert resampled_scores("Classification-F1", *texts, rows) == by_pairs(*texts, rows)


def test_macro_f1_of_a_thousand_texts_takes_no_table_of_all_pairs():
    answers, predictions = ([f"{side} {i}" for i in range(700)] for side in "ab")
    rows = resampled_rows("codah", 700, 200)
    tracemalloc.start()
    scores = resampled_scores("Classification-F1", predictions, answers, rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert set(scores) == {0.0}
    assert peak < 50e6  # the table of all pairs is 3 GB


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
