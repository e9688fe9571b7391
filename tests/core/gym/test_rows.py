import pytest

from dpf_core.errors import GymError
from dpf_core.gym.rows import task_rows
from dpf_core.gym.sources import MirrorSource

CHOICE = {
    "kind": "multiple_choice",
    "labels": None,
    "input": "{question}",
    "options": ["first", "second"],
    "source": {"id": "quiz"},
    "splits": {"train": "train"},
}


def test_columns_become_inputs_and_label_names(make_spec, mirror):
    rows = task_rows(MirrorSource(mirror), make_spec())
    assert rows.train[:2] == [("review: dull", "bad"), ("review: fun", "good")]
    assert (len(rows.train), len(rows.test), rows.dropped) == (10, 4, {})


def test_a_task_without_held_out_split_is_carved_and_loses_no_row(make_spec, mirror):
    rows = task_rows(MirrorSource(mirror), make_spec(splits={"train": "train"}))
    assert (len(rows.train), len(rows.test)) == (8, 2)
    assert len({*rows.train, *rows.test}) == 10


def test_labels_may_be_written_as_text(make_spec, mirror, put):
    put("validation", {"text": ["dim"], "label": ["bad"]})
    assert task_rows(MirrorSource(mirror), make_spec()).test == [("review: dim", "bad")]


def test_options_are_lettered_and_the_answer_is_the_option(make_spec, tmp_path, put):
    columns = {"question": ["Q?"] * 2, "first": ["x"] * 2, "second": ["y"] * 2, "label": [1, 0]}
    put("train", columns, "quiz/default")
    rows = task_rows(MirrorSource(tmp_path / "mirror"), make_spec(**CHOICE))
    assert sorted(rows.train + rows.test) == [("Q? (A) x (B) y", "x"), ("Q? (A) x (B) y", "y")]


def test_one_column_may_hold_the_list_of_options(make_spec, tmp_path, put):
    columns = {"question": ["Q?"] * 2, "all": [["x", "y", "z"]] * 2, "label": [2, 2]}
    put("train", columns, "quiz/default")
    rows = task_rows(MirrorSource(tmp_path / "mirror"), make_spec(**CHOICE | {"options": ["all"]}))
    assert rows.train == [("Q? (A) x (B) y (C) z", "z")]


def test_an_option_that_cannot_be_read_back_is_refused(make_spec, tmp_path, put):
    columns = {"question": ["Q?"], "first": ["x (B) x"], "second": ["y"], "label": [0]}
    put("train", columns, "quiz/default")
    with pytest.raises(GymError, match="task 'reviews', split 'train', row 1: options must not"):
        task_rows(MirrorSource(tmp_path / "mirror"), make_spec(**CHOICE))


def test_blank_inputs_are_dropped_only_when_asked_and_counted(make_spec, mirror, put):
    put("validation", {"text": [" ", "dim"], "label": [0, 0]})
    spec = make_spec(input="{text}", clean=["strip"], drop_blank=True)
    rows = task_rows(MirrorSource(mirror), spec)
    assert (rows.test, rows.dropped) == ([("dim", "bad")], {"blank input": 1})


def test_rows_that_the_source_leaves_out_are_reported(make_spec, mirror, monkeypatch):
    monkeypatch.setattr(MirrorSource, "dropped", lambda self, spec: {"duplicate": 3})
    assert task_rows(MirrorSource(mirror), make_spec()).dropped == {"duplicate": 3}


@pytest.mark.parametrize(
    ("text", "label", "message"),
    [
        ("ok", 2, "row 2: the label must be one of 'bad', 'good' or its number from 0, got 2"),
        ("ok", -1, "row 2: the label must be one of"),
        (None, 1, "row 2: column 'text' must hold text, got None"),
        ("a\tb", 1, "got a tab in 'review: a\\tb'"),
        ("a\nb", 1, "got a line feed"),
        ("a\0b", 1, "got a NUL"),
    ],
)
def test_a_bad_row_is_named_with_its_value(make_spec, mirror, put, text, label, message):
    put("validation", {"text": ["dim", text], "label": [0, label]})
    with pytest.raises(GymError) as caught:
        task_rows(MirrorSource(mirror), make_spec())
    assert "task 'reviews', split 'validation', row 2" in str(caught.value)
    assert message in str(caught.value)


def test_a_blank_input_is_refused(make_spec, mirror, put):
    put("validation", {"text": [" "], "label": [0]})
    with pytest.raises(GymError, match="row 1: the input must not be blank, got ' '"):
        task_rows(MirrorSource(mirror), make_spec(input="{text}"))


def test_rows_left_out_by_value_or_by_a_generator_are_counted(make_spec, mirror, put):
    put("train", {"text": ["a", "b", "c"], "rating": [0.1, 0.5, 0.9], "lang": ["en", "en", "fr"]})
    spec = make_spec(
        compute="wellformedness", compute_columns=["rating"], answer="wellformed",
        keep={"lang": ["en"]}, splits={"train": "train"}, carve={"train_rows": 1, "test_rows": 0},
    )  # fmt: skip
    rows = task_rows(MirrorSource(mirror), spec)
    assert rows.train == [("review: a", "bad")]
    assert rows.dropped == {"left out or gathered by wellformedness": 1, "lang is not 'en'": 1}


def test_an_error_of_a_generator_names_the_row(make_spec, mirror, put):
    put("train", {"text": ["a", "b"], "rating": [0.1, None]})
    spec = make_spec(
        compute="wellformedness", compute_columns=["rating"], answer="wellformed",
        splits={"train": "train"},
    )  # fmt: skip
    with pytest.raises(GymError, match="task 'reviews', split 'train', row 2: "):
        task_rows(MirrorSource(mirror), spec)


def test_an_unknown_generator_is_refused(make_spec, mirror):
    spec = make_spec(compute="wellformednes", compute_columns=["text"])
    with pytest.raises(GymError, match=r"got 'wellformednes'. Did you mean 'wellformedness'\?"):
        task_rows(MirrorSource(mirror), spec)
