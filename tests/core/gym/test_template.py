import pytest

from dpf_core.errors import GymError
from dpf_core.gym.template import CLEANINGS, Template, check_cleanings


def test_columns_are_filled_in_and_doubled_braces_are_literal():
    template = Template.parse("{{x}} {a-b}, {c} {a-b}", where="task 't'")
    assert template.fill({"a-b": "one", "c": 2}) == "{x} one, 2 one"
    assert template.columns == ("a-b", "c")


@pytest.mark.parametrize("text", ["{a", "{}", "{a!r}", "{a:>3}"])
def test_a_template_with_anything_but_plain_columns_is_refused(text):
    with pytest.raises(GymError, match="task 't': "):
        Template.parse(text, where="task 't'")


@pytest.mark.parametrize("value", [None, 1.5, ["a"], True])
def test_a_cell_that_is_no_text_is_refused(value):
    with pytest.raises(ValueError, match="column 'a' must hold text, got "):
        Template.parse("{a}", where="task 't'").fill({"a": value})


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("strip", "a\tb\\n c\r\nd"),
        ("newlines_to_spaces", " a\tb\\n c\r d "),
        ("breaks_to_spaces", " a b\\n c  d "),
        ("one_line", "a b c d"),
        ("single_spaces", "a b\\n c d"),
    ],
)
def test_each_cleaning_does_what_its_name_says(name, cleaned):
    assert CLEANINGS[name](" a\tb\\n c\r\nd ") == cleaned


def test_an_unknown_cleaning_is_refused_with_the_nearest_name():
    with pytest.raises(GymError, match=r"got 'stripp'. Did you mean 'strip'\?"):
        check_cleanings(("stripp",), "task 't'")
