"""Cleaning, deduplication, limits and the split of starter examples."""

import random
from collections import Counter

import pytest

from dpf_core.gym.starter.example import Example, labelled, question
from dpf_core.gym.starter.split import MAX_ROWS, MAX_WORDS, Splits, split_examples, tidy


def split(examples: list[Example], **limits: int) -> Splits:
    return split_examples(examples, random.Random("seed"), **limits)


def texts(splits: Splits) -> list[str]:
    return [example.columns["text"] for example in (*splits.train, *splits.test)]


def numbered(count: int, label: str = "yes") -> list[Example]:
    return [labelled(f"{label} {number}", label) for number in range(count)]


def test_tidy_text_is_one_line_without_control_characters_or_entities():
    assert tidy(" a\tb\r\nc\0d  &lt;e&gt; ") == "a b c d <e>"


def test_inputs_that_differ_in_case_and_punctuation_are_kept_once_and_counted():
    result = split([labelled("Hello, you!", "a"), labelled("hello you", "a"), *numbered(8)])
    assert result.dropped == {"duplicate input": 1}
    assert texts(result).count("Hello, you!") == 1


def test_an_input_with_two_labels_is_left_out_with_every_copy_counted():
    result = split([labelled("same", "a"), labelled("Same", "b"), *numbered(8)])
    assert result.dropped == {"conflicting labels": 2}
    assert "same" not in texts(result)


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        (labelled("...", "yes"), "blank input"),
        (labelled("word " * (MAX_WORDS + 1), "yes"), f"over {MAX_WORDS} words"),
        (labelled("fine", "yes", drop="slur"), "slur"),
    ],
)
def test_unwanted_examples_are_counted_by_reason(example, reason):
    result = split([example, *numbered(8)])
    assert result.dropped == {reason: 1}
    assert len(texts(result)) == 8


def test_every_example_is_kept_or_counted():
    examples = [*numbered(30), *numbered(30), labelled("", "no"), *numbered(2500, "no")]
    result = split(examples)
    assert len(texts(result)) + sum(result.dropped.values()) == len(examples)
    assert len(texts(result)) == MAX_ROWS


def test_frequent_labels_give_way_to_rare_ones():
    result = split([*numbered(3000, "often"), *numbered(100, "seldom")], max_per_label=400)
    counts = Counter(example.answer for example in (*result.train, *result.test))
    assert counts == {"often": 400, "seldom": 100}


def test_a_fifth_of_each_label_is_test():
    result = split([*numbered(50, "a"), *numbered(25, "b")])
    assert Counter(example.answer for example in result.test) == {"a": 10, "b": 5}


def test_a_group_is_never_in_both_splits():
    examples = [labelled(f"text {n}", "ab"[n % 2], group=f"group {n % 13}") for n in range(130)]
    result = split(examples)
    groups = [{example.group for example in rows} for rows in (result.train, result.test)]
    assert result.test
    assert not groups[0] & groups[1]


def test_the_same_seed_gives_the_same_rows_in_the_same_order():
    assert split(numbered(40)) == split(numbered(40))


def test_a_question_holds_its_answer_once_among_shuffled_options():
    rng = random.Random(1)
    rows = [question("Which?", "right", ["x", "y", "z"], rng).row() for _ in range(40)]
    places = {row["options"].index("right") for row in rows}
    assert places == {0, 1, 2, 3}
    assert all(row["answer"] == "right" and len(row["options"]) == 4 for row in rows)
