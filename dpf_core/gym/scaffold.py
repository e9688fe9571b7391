"""A new task folder to start from: a commented `task.yaml` and a few example rows.

The folder passes `dpf gym check` as it is, so what a user replaces is all that can be wrong.
"""

import csv
import json
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pyarrow
import yaml
from pyarrow import parquet

from dpf_core.errors import GymError
from dpf_core.gym.incoming import TASK_FILE, TRAIN
from dpf_core.gym.options import letter_options
from dpf_core.gym.terms import CLASSIFICATION, KINDS, MULTIPLE_CHOICE, TEXT
from dpf_core.naming import check_task_name, nearest

Rows = list[dict[str, str | list[str]]]

_FRUITS = ("apple", "pear", "plum", "cherry", "grape", "lemon")
_PLURALS = {"cherry": "cherries", "wrench": "wrenches"}
_TOOLS = ("hammer", "saw", "drill", "wrench", "chisel", "rasp")

_HEAD = """\
# A task of your own: replace the example rows beside this file, and what is written here. Ask
# `dpf gym check` what is wrong, and move the folder into data/incoming/ when nothing is.
name: {name}                  # the folder's name
kind: {kind}
"""
_OF_KIND = {
    CLASSIFICATION: """\
labels: [fruit, tool]        # quote 'true', 'no' and numbers
# label_texts: {fruit: a fruit to eat, tool: a tool to work with}   # what a code stands for
""",
    MULTIPLE_CHOICE: "",
    TEXT: "# Further accepted answers stand after further tabs; in jsonl and parquet in a list.\n",
}
_OPTIONS = "options: [options]           # the column with each row's options, or one column each\n"
_TAIL = """\
category: example            # a word for the kind of question
description: {description}
licence: CC0-1.0             # of the rows
provenance: generated        # or real: text from people
shots: 2                     # few-shot rows {shots}
# metric: {metrics}
# input: "{{input}}"           # how the columns of a row become one text: "{{title}}: {{body}}"
# answer: output             # the column of the answer
# clean: [one_line]          # what is done to the input: here line ends and tabs become spaces
"""
_WORDS = {
    CLASSIFICATION: {
        "description": "Whether a sentence speaks of a fruit or of a tool.",
        "shots": "of each label; CrossFit takes 16",
        "metrics": "Classification-F1   # or ACC",
    },
    MULTIPLE_CHOICE: {
        "description": "Which of two things grows on a plant.",
        "shots": "in all; CrossFit takes 32",
        "metrics": "ACC",
    },
    TEXT: {
        "description": "The plural of a word.",
        "shots": "in all; CrossFit takes 32",
        "metrics": "Rouge-L             # or EM, QA-F1",
    },
}


def new_task(name: str, kind: str, out: Path, *, rows: str = "tsv") -> Path:
    """Write a task folder and return it.

    Args:
        name: The task's name, which is the folder's.
        kind: classification, multiple_choice or text.
        out: The folder in which the task's folder is made.
        rows: Format of the rows: tsv, csv, jsonl or parquet.

    Raises:
        GymError: The name is no task name, the kind or format is unknown, or the folder exists.
    """
    check_task_name(name, "dpf gym new")
    _check_choice("--kind", kind, KINDS)
    _check_choice("--rows", rows, WRITERS)
    target = out / name
    if target.exists():
        raise GymError(
            f"a new task must have a folder of its own, got {target}, which exists. Choose another "
            "name or --out."
        )
    examples = _examples(kind, with_lists=rows in ("jsonl", "parquet"))
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=f".{name}.") as scratch:
        fresh = Path(scratch, name)
        fresh.mkdir()
        WRITERS[rows](fresh / f"{TRAIN}.{rows}", examples)
        (fresh / TASK_FILE).write_text(_task_yaml(name, kind, examples), encoding="utf-8")
        fresh.rename(target)
    return target


def _task_yaml(name: str, kind: str, examples: Rows) -> str:
    is_plain = yaml.safe_load(name) == name  # `true` and `2020-01-01` are not
    head = _HEAD.format(name=name if is_plain else json.dumps(name), kind=kind)
    options = _OPTIONS if "options" in examples[0] else ""
    return head + _OF_KIND[kind] + options + _TAIL.format(**_WORDS[kind])


def _examples(kind: str, *, with_lists: bool) -> Rows:
    """Return twelve rows; options are a list where the format has lists."""
    if kind == CLASSIFICATION:
        fruits: Rows = [_row(f"The recipe asks for a ripe {x}.", "fruit") for x in _FRUITS]
        return fruits + [_row(f"The carpenter took a new {x}.", "tool") for x in _TOOLS]
    if kind == TEXT:
        words = (*_FRUITS, *_TOOLS)
        return [_row(f"What is the plural of {x}?", _PLURALS.get(x, f"{x}s")) for x in words]
    rows: Rows = []
    for fruit, tool in zip(_FRUITS, _TOOLS, strict=True):
        for options in ([fruit, tool], [tool, fruit]):
            question = f"Which grows on a plant, {options[0]} or {options[1]}?"
            if with_lists:
                rows.append({"input": question, "options": options, "output": fruit})
            else:
                rows.append(_row(question + letter_options(options), fruit))
    return rows


def _row(text: str, output: str) -> dict[str, str | list[str]]:
    return {"input": text, "output": output}


def _write_tsv(path: Path, rows: Rows) -> None:
    lines = [f"{row['input']}\t{row['output']}\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def _write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_jsonl(path: Path, rows: Rows) -> None:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def _write_parquet(path: Path, rows: Rows) -> None:
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)


WRITERS: Mapping[str, Callable[[Path, Rows], None]] = {
    "tsv": _write_tsv,
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}
"""How example rows are written, by the ending of their file."""


def _check_choice(option: str, value: str, choices: Collection[str]) -> None:
    if value not in choices:
        raise GymError(
            f"{option} must be one of {', '.join(choices)}, got {value!r}."
            f"{nearest(value, choices)} Correct it."
        )
