import pytest

from dpf_core.errors import GymError
from dpf_core.gym.tsv import Row, iter_rows, read_rows


@pytest.fixture
def read(tmp_path):
    def read(data):
        (tmp_path / "t.tsv").write_bytes(data)
        return read_rows(tmp_path / "t.tsv", task="t")

    return read


def test_rows_come_back_with_their_line_numbers(read):
    pairs = [("first\u2028line é", "a"), ("", "b"), ("cr\rinside", "c")]
    data = "".join(f"{text}\t{output}\n" for text, output in pairs).encode()
    assert read(data) == [Row(*pair, line) for line, pair in enumerate(pairs, start=1)]


def test_further_accepted_answers_are_read_where_they_are_allowed(tmp_path):
    (tmp_path / "t.tsv").write_bytes(b"q\ta\tb\tc\nq\ta\n")
    one, two = read_rows(tmp_path / "t.tsv", task="t", further_answers=True)
    assert (one.output, one.answers, two.answers) == ("a", ("a", "b", "c"), ("a",))


def test_lines_may_be_skipped_and_are_still_counted(tmp_path):
    (tmp_path / "t.tsv").write_bytes(b"one\ta\ntwo\nlines\ta\nthree\tb\n")
    rows = iter_rows(tmp_path / "t.tsv", task="t", skip_lines={2, 3})
    assert list(rows) == [Row("one", "a", 1), Row("three", "b", 4)]


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
