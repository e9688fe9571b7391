"""Hypothesis strategies that several fuzz tests share: texts, files, and what befalls files."""

import csv
import io
import json

from hypothesis import strategies as st

cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
"""Any text that can be written at all."""
plain_cells = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\ufeff"), max_size=12
)
"""Any text that a TSV file can hold."""
pairs = st.lists(st.tuples(cells, cells), max_size=6)
plain_pairs = st.lists(st.tuples(plain_cells, plain_cells), max_size=6)

_fragments = st.sampled_from(
    [b"\n", b"\t", b"\r\n", b"\r", b'"', b'""', b",", b"\0", b"\xff", b"\xef\xbb\xbf", b"{", b"}",
     b"[", b"\\ud800", b'"input":', b"null", b"NaN", b"1e999", b"PAR1", b"\x15\x00", b": ", b"- ",
     b"&a ", b"*a", b"!!int ", b"? ", b"<<: ", b"|\n"]
)  # fmt: skip
_edits = st.tuples(
    st.floats(0, 1), st.sampled_from(["cut", "insert", "replace", "delete", "repeat"]),
    st.binary(max_size=6) | _fragments,
)  # fmt: skip


def damaged(data: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Return files after some accidents: parts that are cut off, lost, replaced or repeated."""
    return st.tuples(data, st.lists(_edits, max_size=4)).map(lambda drawn: _apply(*drawn))


def _apply(data: bytes, edits: list[tuple[float, str, bytes]]) -> bytes:
    for fraction, edit, piece in edits:
        at = int(fraction * len(data))
        size = len(piece)
        data = {
            "cut": data[:at],
            "insert": data[:at] + piece + data[at:],
            "replace": data[:at] + piece + data[at + size :],
            "delete": data[:at] + data[at + size :],
            "repeat": data[:at] + data[at : at + size] * 2 + data[at + size :],
        }[edit]
    return data


def tsv_file(rows: list[tuple[str, str]]) -> bytes:
    return "".join(f"{text}\t{output}\n" for text, output in rows).encode()


def csv_file(rows: list[tuple[str, str]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("input", "output"), *rows])
    return stream.getvalue().encode()


def jsonl_file(rows: list[tuple[str, str]]) -> bytes:
    return "".join(
        json.dumps({"input": text, "output": output}) + "\n" for text, output in rows
    ).encode()
