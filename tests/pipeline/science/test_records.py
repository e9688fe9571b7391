import pytest

from dpf_core.errors import ConfigError
from dpf_core.files import write_text_atomic
from pipeline.science.keys import cell_key
from pipeline.science.records import Cell, CellsFile, add_cell, read_cells, read_record

SETUP = {"model": {"method": "dpf"}, "torch": "2", "num_resamples": 2}


def cell(setup=SETUP, *, seed=13, score=0.5):
    return Cell(
        key=cell_key(setup, "rows", seed), data="rows", score=score, dev_score=0.6, best_step=20,
        steps=80, num_trainable=7, adapt_seconds=1.0, seconds=2.0, code="c0de", resamples=(1, -2),
    )  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cells" / "dpf.json"


def test_cells_come_back_as_they_were_written(path):
    places = {("mood", 13): cell(), ("mood", 21): cell(seed=21), ("pick", 13): cell(score=1 / 3)}
    for where, value in places.items():
        add_cell(path, "dpf", SETUP, where, value)
    assert read_cells(path) == CellsFile(SETUP, places)


def test_no_file_is_no_cells(path):
    assert read_cells(path) is None
    assert read_record(path) is None


def test_a_cell_is_one_line_and_leaves_the_others_as_they_are(path):
    add_cell(path, "dpf", SETUP, ("mood", 13), cell())
    before = path.read_text().splitlines()
    add_cell(path, "dpf", SETUP, ("pick", 13), cell())
    after = path.read_text().splitlines()
    assert [line for line in before if '"score"' in line] == [
        line for line in after if '"score"' in line
    ][:1]


def test_equal_cells_give_equal_bytes_in_whatever_order_they_came(path, tmp_path):
    places = {("mood", 13): cell(), ("mood", 21): cell(seed=21), ("pick", 13): cell()}
    other = tmp_path / "other.json"
    for where in places:
        add_cell(path, "dpf", SETUP, where, places[where])
    for where in reversed(places):
        add_cell(other, "dpf", SETUP, where, places[where])
    assert path.read_bytes() == other.read_bytes()


def test_cells_of_another_setup_are_dropped_where_that_is_asked_for_alone(path):
    add_cell(path, "dpf", SETUP, ("mood", 13), cell())
    before, setup = path.read_bytes(), SETUP | {"torch": "3"}
    with pytest.raises(ConfigError, match=r"got 1 of other torch \(.*with --replace"):
        add_cell(path, "dpf", setup, ("pick", 13), cell(setup))
    assert path.read_bytes() == before
    add_cell(path, "dpf", setup, ("pick", 13), cell(setup), replace=True)
    assert read_cells(path) == CellsFile(setup, {("pick", 13): cell(setup)})


def test_a_cell_whose_key_is_not_that_of_the_setup_is_refused_and_stays(path):
    add_cell(path, "dpf", SETUP, ("mood", 13), cell())
    path.write_text(path.read_text().replace('"torch": "2', '"torch": "1'))  # a merge of two files
    before = path.read_bytes()
    for replace in (False, True):
        with pytest.raises(ConfigError, match=r"a cell of another setup .*mood, seed 13.*from Git"):
            add_cell(path, "dpf", SETUP, ("mood", 21), cell(seed=21), replace=replace)
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["{", "[]", '{"setup": {}}', '{"setup": {}, "cells": {"a": 3}}'])
def test_a_damaged_file_is_refused_with_its_name(path, text):
    path.parent.mkdir()
    write_text_atomic(path, text)
    with pytest.raises(ConfigError, match=r"must be whole, got .*dpf.json.*Restore it from Git"):
        read_cells(path)


def test_a_cell_without_a_value_is_refused(path):
    add_cell(path, "dpf", SETUP, ("mood", 13), cell())
    path.write_text(path.read_text().replace('"score"', '"sore"'))
    with pytest.raises(ConfigError, match=r"mood, seed 13 in .*sore"):
        read_cells(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"score": 0.5', '"score": NaN'), ('"score": 0.5', '"score": 1e999'),
        ('"score": 0.5', '"score": "0.5"'), ("[1, -2]", "[1]"), ("[1, -2]", '[1, "2"]'),
        ('"num_resamples": 2, ', ""),
    ],
)  # fmt: skip
def test_a_cell_of_another_form_is_refused(path, old, new):
    add_cell(path, "dpf", SETUP, ("mood", 13), cell())
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=r"must be whole, got .*dpf.json"):
        read_cells(path)


@pytest.mark.parametrize("text", ["{", "[]", '{"a": -Infinity}'])
def test_a_damaged_record_is_refused_with_its_name(tmp_path, text):
    (tmp_path / "dpf.json").write_text(text)
    with pytest.raises(ConfigError, match=r"must be whole, got .*dpf.json"):
        read_record(tmp_path / "dpf.json")
