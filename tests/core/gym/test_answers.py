import pytest

from dpf_core.gym.answers import accepted_texts, label_of, option_of

LETTERS = "ABCD"


@pytest.mark.parametrize(
    ("value", "first", "label"),
    [(0, 0, "no"), (1, 0, "yes"), (2, 1, "yes"), (True, 0, "yes"), ("no", 0, "no")],
)
def test_a_label_is_named_by_number_or_text(value, first, label):
    assert label_of(value, ("no", "yes"), first) == label


@pytest.mark.parametrize(("value", "first"), [(2, 0), (-1, 0), (0, 1), ("maybe", 0), (None, 0)])
def test_an_unknown_label_is_refused(value, first):
    with pytest.raises(ValueError, match=f"must be one of 'no', 'yes' or its number from {first}"):
        label_of(value, ("no", "yes"), first)


@pytest.mark.parametrize(
    ("value", "form", "first", "option"),
    [
        (1, None, 0, "B"),
        (1, "number", 1, "x"),
        ("B", None, 0, "B"),  # the text before the letter
        ("B", "letter", 0, "B"),
        ("C", "letter", 0, "A"),
        ("A", "text", 0, "A"),
        ("D", None, 0, "y"),  # no such text, so the letter
        ("3", None, 0, "y"),
        ("3", None, 1, "A"),
    ],
)
def test_an_option_is_named_by_number_letter_or_text(value, form, first, option):
    assert option_of(value, ("x", "B", "A", "y"), LETTERS, first=first, form=form) == option


@pytest.mark.parametrize(
    ("value", "form"),
    [(4, None), (-1, None), ("z", None), ("z", "text"), ("A", "number"), ("", None)],
)
def test_an_unknown_option_is_refused(value, form):
    with pytest.raises(ValueError, match="the option must be one of 'x', 'y'"):
        option_of(value, ("x", "y"), "AB", first=0, form=form)


@pytest.mark.parametrize(
    ("value", "order", "texts"),
    [
        ("b", None, ("b",)),
        (3, None, ("3",)),
        (["b", "a", "b"], None, ("b", "a", "b")),
        (["b", "a", "b"], "first_seen", ("b", "a")),
        (["b", "a", "b"], "sorted", ("a", "b")),
        ([], None, ()),
    ],
)
def test_accepted_texts_keep_their_order_or_lose_their_doubles(value, order, texts):
    assert accepted_texts(value, order) == texts


@pytest.mark.parametrize("value", [None, [None], 1.5])
def test_an_answer_that_is_no_text_is_refused(value):
    with pytest.raises(ValueError, match="must hold text, got"):
        accepted_texts(value, None)
