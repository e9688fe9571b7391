import pytest

from dpf_core.gym.interpreter import Interpreter, Pair

QUIZ = {
    "kind": "multiple_choice",
    "labels": None,
    "input": "{question}",
    "options": ["choices.text"],
    "answer": "key",
}
ROW = {"question": "Q?", "choices": {"text": ["x ", "y"], "label": ["1", "2"]}, "key": 1}


@pytest.fixture
def pair(make_spec):
    """Interpret one row by a specification."""

    def pair(row, **changes):
        return Interpreter(make_spec(**QUIZ | changes)).pair(row)

    return pair


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Q? (A) x  (B) y"),
        ({"option_letters": "choices.label", "answer_form": "number"}, "Q? (1) x  (2) y"),
        ({"input": "{question}{options} [SEP] tail"}, "Q? (A) x  (B) y [SEP] tail"),
        ({"option_style": "({letter}){text}"}, "Q?(A)x (B)y"),
        ({"clean": ["lower"]}, "q? (A) x  (B) y"),
        ({"clean": ["lower"], "input": "{question}{options}"}, "q? (a) x  (b) y"),
    ],
)
def test_options_stand_where_and_how_the_specification_says(pair, changes, text):
    assert pair(ROW, **changes).input == text


def test_options_are_cleaned_before_the_answer_is_chosen(pair):
    row = ROW | {"key": "x"}
    assert pair(row, option_clean=["strip"]) == Pair("Q? (A) x (B) y", ("x",), ("x", "y"))


def test_the_letters_of_the_data_name_the_answer(pair):
    row = {"question": "Q?", "choices": {"text": ["B", "A"], "label": ["A", "B"]}, "key": "A"}
    assert pair(row, option_letters="choices.label").answers == ("B",)
    assert pair(row).answers == ("A",)


def test_options_may_stand_in_the_input_already(pair):
    row = {"question": "Q? (A) x (B) y", "key": 1}
    assert pair(row, options=None) == Pair("Q? (A) x (B) y", ("y",), ("x", "y"))


def test_a_question_with_one_option_is_refused(pair):
    with pytest.raises(ValueError, match=r"must have 2 options or more, got \['x'\]"):
        pair(ROW | {"choices": {"text": ["x"]}})


def test_free_text_has_several_accepted_answers_and_may_show_options(pair):
    row = ROW | {"key": ["b", "a", "b"]}
    found = pair(row, kind="text", distinct_answers="sorted", metric="EM")
    assert (found.input, found.output) == ("Q? (A) x  (B) y", "a\tb")


def test_rows_are_kept_and_dropped_by_value(make_spec):
    spec = make_spec(keep={"lang": ["en", "de"]}, drop={"label": [-1]})
    reason = Interpreter(spec).reason_to_drop
    assert reason({"lang": "de", "label": 0}) is None
    assert reason({"lang": "fr", "label": 0}) == "lang is not 'en' or 'de'"
    assert reason({"lang": "en", "label": -1}) == "label is -1"
