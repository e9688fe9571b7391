import pytest

from dpf_core.errors import GymError
from dpf_core.gym.tsv import Row, encode_rows, read_rows


@pytest.fixture
def read(tmp_path):
    def read(data):
        (tmp_path / "t.tsv").write_bytes(data)
        return read_rows(tmp_path / "t.tsv", task="t")

    return read


def test_rows_come_back_with_their_line_numbers(read):
    pairs = [("first\u2028line é", "a"), ("", "b"), ("cr\rinside", "c")]
    data, unreadable = encode_rows(pairs, "task 't'")
    assert read(data) == [Row(*pair, line) for line, pair in enumerate(pairs, start=1)]
    assert unreadable == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\tb\nc\n", "line 2: a row must be input<TAB>output, got 1 column in 'c'"),
        (b"a\tb\tc\n", "line 1: a row must be input<TAB>output, got 3 columns"),
        (b"a\tb\n\n", "line 2: a row must be input<TAB>output"),
        (b"a\tb\nc\td", "line 2: every line must end with a line feed"),
        (b"a\tb\n\xff\tb\n", "line 2: text must be UTF-8"),
    ],
)
def test_a_malformed_line_is_refused_with_its_number(read, data, message):
    with pytest.raises(GymError) as caught:
        read(data)
    assert "task 't', file t.tsv" in str(caught.value)
    assert message in str(caught.value)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(GymError, match=r"task 't', file gone\.tsv: the file must be readable"):
        read_rows(tmp_path / "gone.tsv", task="t")


def test_rows_with_unescaped_separators_are_listed_and_can_be_skipped(tmp_path):
    pairs = [("one", "a"), ("two\nlines", "a"), ("tab\tinside", "b"), ("three", "b")]
    data, unreadable = encode_rows(pairs, "task 't'")
    assert unreadable == [2, 3, 4]
    (tmp_path / "t.tsv").write_bytes(data)
    rows = read_rows(tmp_path / "t.tsv", task="t", skip_lines=unreadable)
    assert rows == [Row("one", "a", 1), Row("three", "b", 5)]


def test_text_that_is_no_unicode_is_refused():
    with pytest.raises(GymError, match="task 't', row 1: text must be valid Unicode"):
        encode_rows([("\ud800", "a")], "task 't'")
