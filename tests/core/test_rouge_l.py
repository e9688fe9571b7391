import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge import Rouge

from dpf_core.evaluation.rouge_l import rouge_l

WORDS = ["the", "cat", "Cat", "sat", "mat.", "Is", "on", "3.5", ",", "it", "U.S."]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(" ".join)


@given(texts, texts)
def test_rouge_l_is_that_of_the_package_which_crossfit_uses(prediction, answer):
    expected = Rouge().get_scores(prediction, answer)[0]["rouge-l"]["f"]
    assert rouge_l(prediction, answer) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("prediction", "answer", "shared", "words"),
    [
        ("a b c", "a b c", 3, 6),
        ("c b a", "a b c", 1, 6),  # order counts
        ("a a a", "a", 1, 2),  # a word counts once
        ("A b", "a b", 1, 4),  # case counts
        ("b. a", "a b", 2, 4),  # each sentence is aligned apart
        ("x", "a b", 0, 3),
        ("", "a", 0, 1),
    ],
)
def test_rouge_l_is_twice_the_shared_words_over_all_words(prediction, answer, shared, words):
    assert rouge_l(prediction, answer) == pytest.approx(2 * shared / words)


def test_a_sentence_of_two_thousand_words_is_scored():
    long = " ".join(f"w{i}" for i in range(2000))
    assert rouge_l(long, "w7 w8 x w1999") == pytest.approx(2 * 3 / 2004)
