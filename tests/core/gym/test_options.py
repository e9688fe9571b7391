import pytest

from dpf_core.gym.options import letter_options, parse_options, reads_back


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("Which (A) vitamin?", ("one", "two", "three")),
        ("Who (B) was it?", ("nobody", "")),
        ("", ("", "")),
        ("Many", tuple(f"option {number}" for number in range(26))),
    ],
)
def test_lettered_options_are_read_back(question, options):
    assert parse_options(question + letter_options(options)) == (question, options)


@pytest.mark.parametrize("text", ["no options", "one (A) only", "late (B) mark (C) only"])
def test_text_without_two_options_is_refused(text):
    with pytest.raises(ValueError, match="must have lettered options"):
        parse_options(text)


@pytest.mark.parametrize("count", [0, 27])
def test_a_question_has_1_to_26_options(count):
    with pytest.raises(ValueError, match=f"must have 1 to 26 options, got {count}"):
        letter_options(["x"] * count)


@pytest.mark.parametrize(
    ("text", "question", "options"),
    [
        ("Q? (A) x (B) y [SEP] It was x.", "Q? [SEP] It was x.", ("x", "y")),
        ("Q?(A)x(B)y [SEP] It was x.", "Q? [SEP] It was x.", ("x", "y")),
        ("Q? (1) x (2) y", "Q?", ("x", "y")),
        ("Q [SEP] C [SEP]  (A) x (B) y", "Q [SEP] C [SEP] ", ("x", "y")),
        ("Q? (A) x (B) y [SEP] He took (B) home.", "Q? [SEP] He took (B) home.", ("x", "y")),
    ],
)
def test_options_of_other_layouts_are_read_back(text, question, options):
    assert parse_options(text) == (question, options)


def test_options_have_the_letters_and_the_style_that_are_given():
    assert letter_options(["x", "y"], ["1", "2"], "[{letter}] {text};") == "[1] x;[2] y;"


def test_each_option_needs_a_letter():
    with pytest.raises(ValueError, match="each of 3 options must have a letter, got 'AB'"):
        letter_options(["x"] * 3, "AB")


@pytest.mark.parametrize(
    ("text", "options", "is_read"),
    [("is it (A) a (B) b", ["a", "b"], True), ("is it (A) a (B) b", ["a", "c"], False),
     ("no options", ["a", "b"], False), ("no options", None, True)],
)  # fmt: skip
def test_options_that_are_gone_from_the_input_do_not_read_back(text, options, is_read):
    assert reads_back(text, options) == is_read
