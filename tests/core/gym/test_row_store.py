from contextlib import closing

import pytest

from dpf_core.errors import GymError
from dpf_core.files import md5_file, sha256_file
from dpf_core.gym.interpreter import Pair
from dpf_core.gym.row_store import RowStore

PAIRS = [
    Pair("one", ("a",)),
    Pair("two\nlines", ("a",)),
    Pair("tab\tinside", ("b",)),
    Pair("é", ("b", "c")),
    Pair("which? (A) x (B) x (B) y", ("y",), ("x (B) x", "y")),
]


@pytest.fixture
def store(tmp_path):
    with closing(RowStore(tmp_path / "t.tsv", "task 't'", labelled=True)) as store:
        for pair in PAIRS:
            store.add(pair)
        store.record = store.finish()
        yield store


def test_the_record_has_the_hashes_of_the_file_and_the_lines_that_are_no_rows(store):
    record = store.record
    assert store.path.read_text() == "".join(f"{pair.input}\t{pair.output}\n" for pair in PAIRS)
    assert (record.md5, record.sha256) == (md5_file(store.path), sha256_file(store.path))
    assert (record.rows, record.unreadable_lines) == (2, (2, 3, 4, 6))


def test_rows_that_no_reader_sees_are_counted_by_reason(store):
    assert store.dropped() == {
        "tab or line end in a text": 2,
        "options that cannot be read back": 1,
    }
    assert store.dropped([0, 1]) == {"tab or line end in a text": 1}


def test_outputs_are_numbered_by_first_appearance(store):
    assert store.outputs == ("a", "b", "b\tc", "y")
    assert store.labels.tolist() == [0, 0, 1, 2, 3]


def test_rows_can_be_written_in_another_order(store, tmp_path):
    record = store.write(tmp_path / "sample.tsv", [3, 1, 0])
    assert (tmp_path / "sample.tsv").read_text() == "é\tb\tc\ntwo\nlines\ta\none\ta\n"
    assert (record.rows, record.unreadable_lines) == (2, (2, 3))


def test_text_that_is_no_unicode_is_refused(store):
    with pytest.raises(GymError, match="task 't', row 6: text must be valid Unicode"):
        store.add(Pair("\ud800", ("a",)))
