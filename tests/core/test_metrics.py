import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, matthews_corrcoef

from dpf_core.errors import ConfigError
from dpf_core.evaluation.metrics import (
    accuracy,
    macro_f1,
    majority_answer,
    matthews_correlation,
    score,
)

pairs = st.lists(st.tuples(*[st.sampled_from(["a", "b", "c"])] * 2), min_size=1, max_size=30)
judged = st.lists(st.tuples(*[st.sampled_from(["acceptable", "unacceptable"])] * 2), min_size=1)


@given(pairs)
def test_accuracy_is_scikit_learns(rows):
    predictions, answers = zip(*rows, strict=True)
    assert accuracy(predictions, answers) == pytest.approx(accuracy_score(answers, predictions))


@given(pairs)
def test_macro_f1_is_the_mean_of_2tp_over_2tp_fp_fn(rows):
    scores = []
    for label in {text for row in rows for text in row}:
        hits = sum(p == a == label for p, a in rows)
        wrong = sum((p == label) != (a == label) for p, a in rows)
        scores.append(2 * hits / (2 * hits + wrong))
    assert macro_f1(*zip(*rows, strict=True)) == pytest.approx(sum(scores) / len(scores))


@pytest.mark.filterwarnings("ignore:A single label")  # one answer throughout is among the cases
@given(judged)
def test_matthews_correlation_follows_its_formula(rows):
    def count(predicted, actual):
        return sum((p == "acceptable", a == "acceptable") == (predicted, actual) for p, a in rows)

    tp, fp, fn, tn = (count(p, a) for p in (True, False) for a in (True, False))
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    expected = (tp * tn - fp * fn) / math.sqrt(product) if product else 0.0
    found = matthews_correlation(*zip(*rows, strict=True))
    assert found == pytest.approx(expected, abs=1e-12)
    assert found == pytest.approx(matthews_corrcoef(*zip(*rows, strict=True)), abs=1e-12)


def test_accuracy_ignores_case_as_crossfit_does_and_macro_f1_does_not():
    assert accuracy(["Yes"], ["yes"]) == 1
    assert macro_f1(["Yes"], ["yes"]) == 0


def test_a_label_that_is_only_predicted_lowers_macro_f1():
    assert macro_f1(["a", "b"], ["a", "a"]) == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.parametrize("metric", ["ACC", "Classification-F1", "Matthew-Correlation"])
def test_right_answers_score_1_by_every_metric(metric):
    answers = ["acceptable", "unacceptable"] * 3
    assert score(metric, answers, answers) == 1


def test_an_unknown_metric_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"got 'Classification-F2'\. Did you mean 'Classif"):
        score("Classification-F2", ["a"], ["a"])


def test_a_score_of_no_rows_is_refused():
    with pytest.raises(ConfigError, match="ACC must have rows to score, got 0"):
        score("ACC", [], [])


def test_predictions_and_answers_must_be_as_many():
    with pytest.raises(ValueError, match="argument 2 is longer"):
        accuracy(["a"], ["a", "b"])


def test_the_majority_answer_is_the_most_frequent_and_of_equals_the_first():
    assert majority_answer(["b", "a", "a"]) == "a"
    assert majority_answer(["b", "a", "a", "b"]) == "b"
