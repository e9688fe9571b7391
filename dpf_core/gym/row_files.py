"""The rows of a user's task: TSV, CSV, JSONL or parquet, read as a stream.

Memory does not grow with the file: readers hold one record of a text file, or `BATCH_ROWS` rows of
a parquet file. Rows of a built gym are read by `tsv.py`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from dpf_core.gym.csv_rows import read_csv
from dpf_core.gym.records import (
    FileRow,
    Problem,
    Record,
    check_ended,
    check_length,
    decoded,
    missing_column,
    numbered_lines,
    shown,
)

BATCH_ROWS = 1024
_BUFFER_BYTES = 1 << 20
_BOM = "\ufeff"


def read_records(
    path: Path, columns: tuple[str, ...], *, several_answers: bool = True
) -> Iterator[Record]:
    """Yield every record of a file, as a row with the wanted columns or as what is wrong with it.

    Args:
        path: The file; its ending is one of `READERS`.
        columns: The columns that are wanted. A TSV file has no names: its lines are
            `input<TAB>output`, and further tabs separate further accepted answers, in which case
            the column `output` is a list.
        several_answers: Whether a line of a TSV file may have further answers.
    """
    try:
        for record in READERS[path.suffix](path, columns):
            yield record if several_answers else _with_one_answer(path, record)
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        yield Problem(path.name, None, f"the file must be readable, got: {reason}. Copy it again.")


def read_tsv(path: Path, columns: tuple[str, ...]) -> Iterator[Record]:
    """Yield the records of a TSV file: lines `input<TAB>output`, no header, nothing escaped."""
    if problem := missing_column(path, columns, ("input", "output")):
        yield problem
        return
    with path.open("rb") as stream:
        for number, line in numbered_lines(stream):
            try:
                yield FileRow(number, _tsv_row(line, is_first=number == 1))
            except ValueError as error:
                yield Problem(path.name, number, str(error))


def read_jsonl(path: Path, columns: tuple[str, ...]) -> Iterator[Record]:
    """Yield the records of a JSONL file: one object a line, with at least the wanted keys."""
    with path.open("rb") as stream:
        for number, line in numbered_lines(stream):
            try:
                row = _json_object(line)
            except ValueError as error:
                yield Problem(path.name, number, str(error))
            else:
                problem = missing_column(path, columns, tuple(row), line=number)
                yield problem or FileRow(number, {column: row[column] for column in columns})


def read_parquet(path: Path, columns: tuple[str, ...]) -> Iterator[Record]:
    """Yield the rows of a parquet file; only the wanted columns are read."""
    number = 0
    try:
        with parquet.ParquetFile(path, buffer_size=_BUFFER_BYTES) as file:
            if problem := missing_column(path, columns, tuple(file.schema_arrow.names)):
                yield problem
                return
            for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
                yield from _batch_rows(path, batch, number)
                number += batch.num_rows
    except (OSError, UnicodeDecodeError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())
        yield Problem(
            path.name,
            None,
            f"the file must be a complete parquet file, got: {reason}. Copy it again.",
        )


READERS: Mapping[str, Callable[[Path, tuple[str, ...]], Iterator[Record]]] = {
    ".tsv": read_tsv,
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".parquet": read_parquet,
}
"""How files are read, by the ending of their name."""


def _tsv_row(line: bytes, *, is_first: bool) -> dict[str, str | list[str]]:
    check_length(len(line))
    check_ended(line)
    text = decoded(line).removesuffix("\n")
    for found, name in (
        (text.endswith("\r"), "a carriage return before the line feed"),
        (is_first and text.startswith(_BOM), "a byte order mark"),
    ):
        if found:
            raise ValueError(
                f"the file must be plain UTF-8 with Unix line ends, got {name}. Save it as UTF-8 "
                "without a mark, lines ending in LF."
            )
    first, *answers = text.split("\t")
    if not answers:
        raise ValueError(
            f"a row must be input<TAB>output, got 1 column in {shown(text)}. Correct the line."
        )
    return {"input": first, "output": answers if len(answers) > 1 else answers[0]}


def _with_one_answer(path: Path, record: Record) -> Record:
    if isinstance(record, Problem) or path.suffix != ".tsv":
        return record
    answers = record.columns["output"]
    if isinstance(answers, str):
        return record
    return Problem(
        path.name,
        record.line,
        f"a row must be input<TAB>output, got {1 + len(answers)} columns, the third of them "
        f"{shown(answers[1])}. Remove tabs from the texts.",
    )


def _json_object(line: bytes) -> dict[str, Any]:
    check_length(len(line))
    text = decoded(line).removesuffix("\n")
    try:
        value = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"a line must be one JSON object, got {shown(text)} ({error}). Correct the line."
        ) from error
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004 - a wrong row, not a wrong call
            f"a line must be one JSON object, got {shown(text)}. "
            'Write {"input": ..., "output": ...}.'
        )
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {shown(twice)} twice")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name}, which is no JSON")


def _batch_rows(path: Path, batch: "pyarrow.RecordBatch", before: int) -> Iterator[Record]:
    """Yield the rows of a batch one by one where the batch as a whole has no Python value."""
    try:
        rows = batch.to_pylist()
    except (ValueError, OverflowError, pyarrow.ArrowException):
        for index in range(batch.num_rows):
            yield _single_row(path, batch.slice(index, 1), before + index + 1)
    else:
        for number, row in enumerate(rows, start=before + 1):
            yield FileRow(number, row)


def _single_row(path: Path, batch: "pyarrow.RecordBatch", number: int) -> Record:
    try:
        return FileRow(number, batch.to_pylist()[0])
    except (ValueError, OverflowError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())
        return Problem(
            path.name, number, f"a row must hold texts and numbers, got: {reason}. Correct it."
        )
