import pytest

from dpf_core.errors import GymError
from dpf_core.gym.fields import FILTERS, Field, check_filters

ROW = {
    "text": " a ",
    "struct": {"texts": ["b ", " c"], "empty": None},
    "structs": [{"text": "d"}, {"text": "e"}],
    "nested": [[["f"], ["g", "f"]], [["h"]]],
    "digits": "3",
    "float": 4.0,
    "flag": True,
}


def value(text):
    return Field.parse(text, where="task 't'").value(ROW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text", " a "),
        ("text|strip", "a"),
        ("struct.texts", ["b ", " c"]),
        ("struct.texts.1", " c"),
        ("struct.texts|strip|join", "b c"),
        ("struct.texts|join_comma|strip", "b ,  c"),
        ("structs.text", ["d", "e"]),
        ("structs.1.text", "e"),
        ("structs.text|join_sep", "d [SEP] e"),
        ("nested|flatten", ["f", "g", "f", "h"]),
        ("digits|number", 3),
        ("float|number", 4),
        ("flag|number", 1),
    ],
)
def test_a_path_leads_through_structs_and_lists_and_filters_follow(text, expected):
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text.more", "the path 'text.more' must lead to a value, got ' a ' before 'more'"),
        ("struct.gone", "got .* before 'gone'"),
        ("struct.texts.2", "before '2'"),
        ("struct.empty|strip", r"column 'struct\.empty' must hold text, got None"),
        ("text|join", "a list must stand here, got ' a '"),
        ("text|number", "a number must be whole, got ' a '"),
        ("struct.texts|only", "a list must hold one value, any number of times"),
    ],
)
def test_a_path_or_filter_that_does_not_fit_is_refused_with_the_value(text, message):
    with pytest.raises(ValueError, match=message):
        value(text)


def test_an_absent_column_is_a_key_error():
    with pytest.raises(KeyError, match="gone"):
        value("gone.text")


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("strip_apostrophes", "'it's'", "it's"),
        ("newlines_to_marks", "a\nb", "a [n] b"),
        ("escaped_newlines_to_spaces", "a\\nb\n", "a b\n"),
        ("remove_spaces", "a b c", "abc"),
        ("lower", "AbC", "abc"),
        ("mask_in_brackets", "a <mask>", "a [MASK]"),
        ("without_intermediate_heading", "Intermediate  text", "text"),
        ("non_empty", ["", "a", None, "b"], ["a", "b"]),
        ("only", ["a", "a"], "a"),
    ],
)
def test_each_filter_does_what_its_name_says(name, before, after):
    assert Field(("x",), (name,)).value({"x": before}) == after


@pytest.mark.parametrize("text", ["", ".text", "struct."])
def test_a_path_with_an_empty_part_is_refused(text):
    with pytest.raises(GymError, match="task 't': a field must be a column"):
        Field.parse(text, where="task 't'")


def test_an_unknown_filter_is_refused_with_the_nearest_name():
    with pytest.raises(GymError, match=r"got 'joyn'. Did you mean 'join'\?"):
        Field.parse("text|joyn", where="task 't'")
    assert check_filters(FILTERS, "task 't'") == FILTERS
