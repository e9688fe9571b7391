import math
import re
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, matthews_corrcoef

from dpf_core.errors import ConfigError, GymError
from dpf_core.evaluation.metrics import (
    METRICS,
    accuracy,
    exact_match,
    macro_f1,
    majority_answer,
    matthews_correlation,
    pearson_correlation,
    qa_f1,
    rouge,
    score,
)
from dpf_core.evaluation.rouge_l import rouge_l
from dpf_core.gym.spec import METRICS as SPEC_METRICS

pairs = st.lists(st.tuples(*[st.sampled_from(["a", "b", "c"])] * 2), min_size=1, max_size=30)
judged = st.lists(st.tuples(*[st.sampled_from(["acceptable", "unacceptable"])] * 2), min_size=1)
rated = st.lists(st.tuples(*[st.integers(1, 5).map(str)] * 2), min_size=2, max_size=30)
WORDS = ["The", "an", "cat", "Cat!", "dog", "it's", "3.5", "-", "theatre"]
spoken = st.tuples(*[st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)] * 2)


def squad_words(text):
    """The normal form of SQuAD, by another road: words first, then what is left of them."""
    words = ["".join(c for c in word if c.isalnum()) for word in re.split(r"\s", text.casefold())]
    return [word for word in words if word not in {"", "a", "an", "the"}]


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


@given(rated)
def test_pearson_correlation_is_the_standard_librarys(rows):
    predictions, answers = zip(*rows, strict=True)
    try:
        expected = statistics.correlation([*map(float, predictions)], [*map(float, answers)])
    except statistics.StatisticsError:  # one number throughout
        expected = 0.0
    assert pearson_correlation(predictions, answers) == pytest.approx(expected, abs=1e-9)


@given(spoken)
def test_exact_match_compares_the_words_that_are_no_article(row):
    prediction, answer = row
    same = squad_words(prediction) == squad_words(answer)
    assert exact_match([prediction], [answer]) == same


@given(spoken)
def test_qa_f1_is_the_harmonic_mean_of_precision_and_recall_over_words(row):
    predicted, expected = map(squad_words, row)
    rest = list(expected)
    shared = [word for word in predicted if word in rest and rest.remove(word) is None]
    mean = 0.0
    if shared:
        mean = statistics.harmonic_mean([len(shared) / len(predicted), len(shared) / len(expected)])
    assert qa_f1([row[0]], [row[1]]) == pytest.approx(mean)


def test_rouge_is_the_mean_over_rows_and_0_for_punctuation_alone():
    assert rouge(["a b", "?!", "c"], ["a c", "?!", "c"]) == pytest.approx((0.5 + 0 + 1) / 3)
    assert rouge_l("?!", "?!") == 1


@pytest.mark.parametrize("metric", ["ACC", "EM", "QA-F1", "Rouge-L"])
def test_the_best_of_several_accepted_answers_counts(metric):
    answers = [("red fox", "blue whale"), ("x", "red fox")]
    assert score(metric, ["blue whale", "red fox"], answers) == 1
    assert score(metric, ["blue whale", "none"], answers) == 0.5


def test_f1_and_correlations_know_the_first_answer_only():
    assert score("Classification-F1", ["b", "a"], [("a", "b"), ("a", "b")]) < 1
    assert score("Pearson-Correlation", ["1", "2"], [("2", "1"), ("1", "2")]) == pytest.approx(-1)


def test_accuracy_ignores_case_as_crossfit_does_and_macro_f1_does_not():
    assert accuracy(["Yes"], ["yes"]) == 1
    assert macro_f1(["Yes"], ["yes"]) == 0


def test_a_label_that_is_only_predicted_lowers_macro_f1():
    assert macro_f1(["a", "b"], ["a", "a"]) == pytest.approx((2 / 3 + 0) / 2)


def test_texts_without_words_match_exactly_but_share_none():
    assert exact_match(["the"], ["a"]) == 1
    assert qa_f1(["the"], ["a"]) == 0


def test_blanks_around_texts_do_not_count():
    assert score("Classification-F1", [" yes"], ["yes "]) == 1


@pytest.mark.parametrize("predictions", [["3", "3"], ["1", "none"], ["1", "nan"]])
def test_a_correlation_that_is_undefined_scores_0(predictions):
    assert score("Pearson-Correlation", predictions, ["1", "2"]) == 0


def test_an_answer_that_is_no_number_is_refused_where_numbers_are_compared():
    with pytest.raises(GymError, match="must have numbers as answers, got"):
        score("Pearson-Correlation", ["1", "2"], ["1", "two"])


@pytest.mark.parametrize("metric", sorted({*METRICS} - {"Pearson-Correlation"}))
def test_right_answers_score_1_by_every_metric(metric):
    answers = ["acceptable", "unacceptable"] * 3
    assert score(metric, answers, answers) == 1


def test_every_metric_that_a_specification_may_name_is_served():
    assert set(METRICS) == set(SPEC_METRICS)


def test_an_unknown_metric_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"got 'Classification-F2'\. Did you mean 'Classif"):
        score("Classification-F2", ["a"], ["a"])


def test_a_score_of_no_rows_is_refused():
    with pytest.raises(ConfigError, match="ACC must have rows to score, got 0"):
        score("ACC", [], [])


def test_predictions_and_answers_must_be_as_many():
    with pytest.raises(ValueError, match="argument 2 is longer"):
        accuracy(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="1 predictions came for 2 answers"):
        score("Classification-F1", ["a"], ["a", "b"])


def test_the_majority_answer_is_the_most_frequent_and_of_equals_the_first():
    assert majority_answer(["b", "a", "a"]) == "a"
    assert majority_answer(["b", "a", "a", "b"]) == "b"
