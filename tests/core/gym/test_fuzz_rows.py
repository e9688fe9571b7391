"""Whatever a row file holds: no crash, and rows in = rows out + rows reported.

Short by default; `pytest tests/core/gym -k fuzz --hypothesis-profile=fuzz` searches for minutes.
"""

import io

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from dpf_core.errors import GymError
from dpf_core.gym.build import build_gym
from dpf_core.gym.incoming import incoming_tasks
from dpf_core.gym.records import FileRow, Problem
from dpf_core.gym.row_files import read_records
from dpf_core.gym.sources import MirrorSource
from dpf_core.gym.spec import spec_from_mapping
from dpf_core.gym.task_check import check_task
from tests.core.gym.conftest import REVIEWS
from tests.core.gym.damage import (
    cells,
    csv_file,
    damaged,
    jsonl_file,
    pairs,
    plain_pairs,
    tsv_file,
)

PAIR = ("input", "output")
SPEC = spec_from_mapping("reviews", REVIEWS | {"input": "{input}", "answer": "output"})
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | cells
    | st.binary(max_size=4) | st.datetimes() | st.dates() | st.times() | st.timedeltas()
    | st.decimals(allow_nan=False, places=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(cells, inner, max_size=2),
    max_leaves=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def read(folder, name, data, columns=PAIR):
    (folder / name).write_bytes(data)
    return list(read_records(folder / name, columns))


def parquet_pairs(rows):
    inputs, outputs = zip(*rows, strict=True) if rows else ((), ())
    text = pyarrow.string()
    return parquet_file(
        {"input": pyarrow.array(inputs, text), "output": pyarrow.array(outputs, text)}
    )


def parquet_file(columns):
    stream = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


def num_lines(data):
    return data.count(b"\n") + (not data.endswith(b"\n") and data != b"")


@pytest.mark.parametrize(
    ("name", "write", "rows"),
    [
        ("t.tsv", tsv_file, plain_pairs),
        ("t.csv", csv_file, pairs),
        ("t.jsonl", jsonl_file, pairs),
        ("t.parquet", parquet_pairs, pairs),
    ],
)
def test_every_row_that_is_written_is_read(folder, name, write, rows):
    @given(rows)
    def check(rows):
        records = read(folder, name, write(rows))
        assert [tuple(record.columns.values()) for record in records] == rows

    check()


@given(damaged(plain_pairs.map(tsv_file)) | st.binary(max_size=60))
def test_every_line_of_a_damaged_tsv_file_is_a_row_or_a_problem(folder, data):
    records = read(folder, "t.tsv", data)
    assert [record.line for record in records] == list(range(1, num_lines(data) + 1))


@given(damaged(pairs.map(jsonl_file)) | st.binary(max_size=60))
def test_every_line_of_a_damaged_jsonl_file_is_a_row_or_a_problem(folder, data):
    records = read(folder, "t.jsonl", data)
    assert [record.line for record in records] == list(range(1, num_lines(data) + 1))


@given(damaged(pairs.map(csv_file)) | st.binary(max_size=60))
def test_every_line_of_a_damaged_csv_file_belongs_to_a_row_or_a_problem(folder, data):
    records = read(folder, "t.csv", data)
    starts = [record.line for record in records]
    assert starts == sorted(set(starts))
    assert all(1 <= line <= max(1, num_lines(data)) for line in starts)
    rows = [record for record in records if isinstance(record, FileRow)]
    if rows and len(rows) == len(records):
        # Nothing is reported, so cells and header together hold every byte but the separators.
        assert csv_bytes(data) == csv_bytes(b"".join(map(cell_bytes, rows)) + header(data))


def header(data):
    return data.removeprefix(b"\xef\xbb\xbf").split(b"\n")[0]


def cell_bytes(row):
    return "".join(row.columns.values()).encode()


def csv_bytes(data):
    """The bytes that are data beyond doubt, counted."""
    return sorted(byte for byte in data.removeprefix(b"\xef\xbb\xbf") if byte not in b'",\r\n')


@given(st.lists(values, min_size=1, max_size=5))
def test_every_row_of_a_parquet_file_is_a_row_or_a_problem_whatever_its_type(folder, column):
    try:
        data = parquet_file({"input": column, "output": ["x"] * len(column)})
    except (pyarrow.ArrowException, OverflowError, TypeError):
        return  # no such table
    assert [record.line for record in read(folder, "t.parquet", data)] == [
        number + 1 for number in range(len(column))
    ]


@given(damaged(pairs.map(parquet_pairs)))
def test_a_damaged_parquet_file_ends_in_rows_and_at_most_one_problem_of_the_file(folder, data):
    records = read(folder, "t.parquet", data)
    whole = [record for record in records if record.line is None]
    assert whole in ([], records[-1:])


@given(damaged(pairs.map(parquet_pairs)))
def test_a_damaged_mirror_gives_rows_or_one_sentence(folder, data):
    (folder / "reviews/default").mkdir(parents=True, exist_ok=True)
    (folder / "reviews/default/train.parquet").write_bytes(data)
    try:
        rows = list(MirrorSource(folder).rows(SPEC, "train"))
    except GymError:
        return
    assert all(row.keys() == set(PAIR) for row in rows)


TASK = (
    b"name: mood\nkind: classification\nlabels: [sad, happy]\nshots: 2\ncategory: emotion\n"
    b"licence: CC0-1.0\ndescription: Whether a sentence is happy.\n"
)
ROWS = b"".join(b"sentence %d\t%s\n" % (n, (b"sad", b"happy")[n % 2]) for n in range(12))


@given(damaged(st.just(TASK)), damaged(st.just(ROWS)), st.sampled_from(["tsv", "csv", "jsonl"]))
def test_a_task_that_the_check_finds_ready_is_built_row_for_row(folder, task, rows, ending):
    mood = folder / "incoming" / "mood"
    for path in mood.glob("*"):
        path.unlink()
    mood.mkdir(parents=True, exist_ok=True)
    (mood / "task.yaml").write_bytes(task)
    (mood / f"train.{ending}").write_bytes(rows)
    check = check_task(mood)
    try:
        source, specs = incoming_tasks(mood.parent)
        record = build_gym(source, specs, folder / "gym").task("mood")
    except GymError:
        assert not check.passed
    else:
        assert check.passed
        assert record.rows.full_train + record.rows.test == num_lines(rows)


def test_the_check_lists_problems_where_a_file_has_them(folder):
    assert isinstance(read(folder, "t.tsv", b"one\n")[0], Problem)
