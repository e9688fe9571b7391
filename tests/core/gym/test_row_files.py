import json
import tracemalloc

import pyarrow
import pytest
from pyarrow import parquet

from dpf_core.gym.records import MAX_RECORD_BYTES, FileRow, Problem
from dpf_core.gym.row_files import BATCH_ROWS, read_records

PAIR = ("input", "output")
ROWS = [{"input": "a, b", "output": "x"}, {"input": 'said "é"', "output": "y"}]
AS_TEXT = {
    "train.tsv": b'a, b\tx\nsaid "\xc3\xa9"\ty\n',
    "train.csv": b'input,output\n"a, b",x\n"said ""\xc3\xa9""",y\n',
    "train.jsonl": b'{"input": "a, b", "output": "x"}\n'
    b'{"input": "said \\"\\u00e9\\"", "output": "y"}',
}


@pytest.fixture
def read(tmp_path):
    def read(name, data, columns=PAIR):
        (tmp_path / name).write_bytes(data)
        return list(read_records(tmp_path / name, columns))

    return read


@pytest.fixture
def table(tmp_path):
    def table(**columns):
        parquet.write_table(pyarrow.table(columns), tmp_path / "train.parquet")
        return tmp_path / "train.parquet"

    return table


@pytest.mark.parametrize("name", AS_TEXT)
def test_the_same_rows_come_from_every_text_format(read, name):
    assert [record.columns for record in read(name, AS_TEXT[name])] == ROWS


def test_the_same_rows_come_from_parquet_without_the_other_columns(table):
    path = table(input=["a, b", 'said "é"'], output=["x", "y"], more=[[1], [2]])
    assert list(read_records(path, PAIR)) == [FileRow(1, ROWS[0]), FileRow(2, ROWS[1])]


def test_further_columns_of_a_tsv_line_are_further_accepted_answers(read):
    (row,) = read("train.tsv", b"Who?\tAda\tAda Lovelace\n")
    assert row.columns == {"input": "Who?", "output": ["Ada", "Ada Lovelace"]}


def test_a_spreadsheets_mark_and_line_ends_are_no_part_of_a_csv_files_data(read):
    (row,) = read("train.csv", b'\xef\xbb\xbfinput,output\r\n"two\r\nlines",x\r\n')
    assert row == FileRow(2, {"input": "two\r\nlines", "output": "x"})


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        (
            "train.tsv",
            b"one column",
            "a row must be input<TAB>output, got 1 column in 'one column'",
        ),
        ("train.tsv", b"\xff\tx", "text must be UTF-8, got b'\\xff\\tx"),
        ("train.tsv", b"a\tx\r", "got a carriage return before the line feed"),
        ("train.csv", b"a", "a row must have 2 cells, as the header has, got 1 ('a')"),
        ("train.csv", b"", "got 0 (an empty line)"),
        ("train.csv", b'"a"b,x', "a row must be comma-separated cells in double quotes"),
        ("train.csv", b"\xff,x", "text must be UTF-8"),
        ("train.csv", b"a" * 140_000 + b",x", "field larger than field limit (131072)"),
        ("train.jsonl", b"{", "a line must be one JSON object, got '{' (Expecting property name"),
        ("train.jsonl", b"[1]", "a line must be one JSON object, got '[1]'"),
        ("train.jsonl", b"", "a line must be one JSON object, got ''"),
        ("train.jsonl", b'{"input": 1, "input": 2, "output": 3}', "the key 'input' twice"),
        ("train.jsonl", b'{"input": NaN, "output": 3}', "NaN, which is no JSON"),
        ("train.jsonl", b'{"input": "\\ud800", "output": "x"}', "surrogates not allowed"),
        ("train.jsonl", b'{"input": 1, "outptu": 2}', "'output', got 'input', 'outptu'. Did you"),
        ("train.jsonl", b"[" * 100_000, "recursion"),
        ("train.jsonl", b"9" * 5000, "integer string conversion"),
        *[(name, b"x" * (MAX_RECORD_BYTES + 9), "at most 1,048,576 bytes") for name in AS_TEXT],
    ],
)
def test_a_record_that_is_no_row_is_reported_with_its_line_between_its_neighbours(
    read, name, bad, message
):
    head, first, *_ = AS_TEXT[name].splitlines()
    lines = [head, first, bad, first] if name == "train.csv" else [head, bad, first]
    records = read(name, b"\n".join(lines) + b"\n")[-3:]
    assert [type(record) for record in records] == [FileRow, Problem, FileRow]
    assert (records[1].file, records[1].line) == (name, lines.index(bad) + 1)
    assert message in records[1].message


@pytest.mark.parametrize("name", ["train.tsv", "train.csv"])
def test_a_file_that_was_cut_short_in_its_last_line_is_reported(read, name):
    *_, last = read(name, AS_TEXT[name].removesuffix(b"\n"))
    assert "every line must end with a line feed" in last.message


def test_a_quote_that_is_never_closed_is_reported_at_its_line(read):
    (problem,) = read("train.csv", b'input,output\n"a,x\nb,y\nc,z\n')
    assert problem.line == 2
    assert "a quoted cell that is still open at the end of the file" in problem.message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "there must be a column 'input', got none"),
        (b"input;output\na;b\n", "there must be a column 'input', got 'input;output'"),
        (b"input,outptu\n", "got 'input', 'outptu'. Did you mean 'outptu'?"),
        (b"input,output,input\n", "column names must differ, got 'input' 2 times"),
    ],
)
def test_a_wrong_header_is_reported_once(read, data, message):
    (problem,) = read("train.csv", data)
    assert problem.line == 1
    assert message in problem.message


def test_a_tsv_file_has_no_other_columns(read):
    (problem,) = read("train.tsv", b"a\tb\n", ("title", "output"))
    assert "there must be a column 'title', got 'input', 'output'" in problem.message


def test_a_parquet_file_without_the_column_is_reported(table):
    (problem,) = read_records(table(input=["a"], outptu=["x"]), PAIR)
    assert "'output', got 'input', 'outptu'. Did you mean 'outptu'?" in problem.message


def test_a_parquet_file_that_was_cut_short_is_reported_and_no_row_comes_from_it(table):
    path = table(input=["a"] * 50, output=["x"] * 50)
    path.write_bytes(path.read_bytes()[:-20])
    (problem,) = read_records(path, PAIR)
    assert "must be a complete parquet file" in problem.message


def test_a_parquet_file_whose_column_has_a_damaged_name_is_reported(table):
    path = table(input=["a"], output=["x"])
    path.write_bytes(path.read_bytes().replace(b"output", b"out\x80ut"))
    (problem,) = read_records(path, PAIR)
    assert "must be a complete parquet file" in problem.message
    assert "0x80" in problem.message


def test_a_parquet_cell_without_a_python_value_is_reported_with_its_row(table):
    offsets = pyarrow.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0")
    broken = pyarrow.StringArray.from_buffers(3, offsets, pyarrow.py_buffer(b"a\xffb"))
    records = list(read_records(table(input=broken, output=["x", "y", "z"]), PAIR))
    assert [type(record) for record in records] == [FileRow, Problem, FileRow]
    assert records[1].line == 2


def test_an_absent_file_is_reported(tmp_path):
    (problem,) = read_records(tmp_path / "train.tsv", PAIR)
    assert "the file must be readable, got: No such file or directory" in problem.message


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl", "parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path, ending):
    def peak(num_rows):
        path = tmp_path / f"{num_rows}.{ending}"
        _write(path, num_rows)
        tracemalloc.start()
        count = sum(isinstance(record, FileRow) for record in read_records(path, PAIR))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == num_rows
        return used

    peak(BATCH_ROWS)  # what is imported and cached once
    assert peak(16 * BATCH_ROWS) < 1.5 * peak(4 * BATCH_ROWS)


def _write(path, num_rows):
    if path.suffix == ".parquet":
        rows = [f"some text {n}" for n in range(num_rows)]
        parquet.write_table(pyarrow.table({"input": rows, "output": rows}), path)
        return
    line = {
        ".tsv": "some text\tx\n",
        ".csv": "some text,x\n",
        ".jsonl": json.dumps({"input": "some text", "output": "x"}) + "\n",
    }[path.suffix]
    path.write_text(("input,output\n" if path.suffix == ".csv" else "") + line * num_rows)
