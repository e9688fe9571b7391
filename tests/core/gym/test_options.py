import pytest

from dpf_core.gym.options import letter_options, parse_options


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
