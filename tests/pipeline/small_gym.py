"""Gyms of a few hand-written rows, and the ways to break them."""

import hashlib
from pathlib import Path
from typing import Any

from dpf_core.files import write_json
from dpf_core.gym.manifest import FileRecord, Manifest, RowCounts, SourceRecord, TaskRecord

SEEDS = (13, 21)
Files = dict[str, bytes]

REVIEWS = [
    ("a warm and funny film", "positive"),
    ("dull from start to end", "negative"),
    ("the cast is a delight", "positive"),
    ("two hours that I want back", "negative"),
    ("sharp writing, lovely music", "positive"),
    ("the plot makes no sense", "negative"),
]
TEST_REVIEWS = [("a joy to watch", "positive"), ("it never comes alive", "negative")]
QUESTIONS = [
    ("Which is a fruit? (A) a pear (B) a spoon", "a pear"),
    ("Which can fly? (A) a brick (B) a swan", "a swan"),
    ("Which is hot? (A) steam (B) frost", "steam"),
    ("Which is round? (A) a box (B) a coin", "a coin"),
]
TEST_QUESTIONS = [
    ("Which is wet? (A) rain (B) sand", "rain"),
    ("Which is dry? (A) rain (B) sand", "sand"),
]
STORIES = [
    ("Ann sold her red bicycle.", "a sale"),
    ("Bo baked bread all night.", "baking"),
    ("It rained on the fair.", "a wet fair"),
    ("The dog hid every shoe.", "a thief"),
]
TEST_STORIES = [("Cy found a lost key.", "a find\ta key"), ("The band played on.", "a concert")]


def lines(rows: list[tuple[str, str]]) -> bytes:
    return "".join(f"{text}\t{output}\n" for text, output in rows).encode()


def reviews(name: str) -> Files:
    return _files(name, REVIEWS, REVIEWS[:4], REVIEWS[2:], TEST_REVIEWS)


def questions(name: str) -> Files:
    return _files(name, QUESTIONS, QUESTIONS[:2], QUESTIONS[2:], TEST_QUESTIONS)


def stories(name: str) -> Files:
    return _files(name, STORIES, STORIES[:2], STORIES[2:], TEST_STORIES)


def _files(name: str, full: Any, train: Any, dev: Any, test: Any) -> Files:
    files = {f"{name}_full_train.tsv": lines(full)}
    for seed in SEEDS:
        files[f"{name}_16_{seed}_train.tsv"] = lines(train)
        files[f"{name}_16_{seed}_dev.tsv"] = lines(dev)
        files[f"{name}_16_{seed}_test.tsv"] = lines(test)
    return files


def classification(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "kind": "classification", "labels": ("negative", "positive")} | changes


def multiple_choice(name: str) -> dict[str, Any]:
    return {"name": name, "kind": "multiple_choice", "labels": None, "options": "lettered"}


def free_text(name: str) -> dict[str, Any]:
    return {"name": name, "kind": "text", "labels": None, "metric": "Rouge-L"}


def build(directory: Path, tasks: list[tuple[dict[str, Any], Files]]) -> Path:
    """Write a gym whose manifest agrees with its files, whatever these hold."""
    records = []
    for fields, files in tasks:
        folder = directory / fields["name"]
        folder.mkdir(parents=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        records.append(_record(fields, files))
    manifest = Manifest(source="starter", tasks=tuple(records), seeds=SEEDS)
    write_json(directory / "manifest.json", manifest.to_json())
    return directory


def _record(fields: dict[str, Any], files: Files) -> TaskRecord:
    unreadable = fields.pop("unreadable_lines", {})
    counts = {name: data.count(b"\n") for name, data in files.items()}
    name = fields["name"]
    of_seed = {
        split: {str(seed): counts[f"{name}_16_{seed}_{split}.tsv"] for seed in SEEDS}
        for split in ("train", "dev", "test")
    }
    defaults: dict[str, Any] = {
        "category": "sentiment", "label_texts": {}, "metric": "ACC", "shots": 16,
        "source": SourceRecord(name="starter", id=name, files={}), "provenance": "real",
        "licence": "CC0-1.0", "description": "Written by hand.", "status": "no official files",
        "official": None, "dropped": {}, "options": None,
    }  # fmt: skip
    return TaskRecord(
        **defaults | fields,
        rows=RowCounts(
            full_train=counts[f"{name}_full_train.tsv"],
            test=of_seed["test"][str(SEEDS[0])],
            train=of_seed["train"],
            dev=of_seed["dev"],
        ),
        files={
            file: FileRecord(
                md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
                sha256=hashlib.sha256(data).hexdigest(),
                rows=counts[file],
                unreadable_lines=unreadable.get(file, ()),
            )
            for file, data in files.items()
        },
    )


def add(files: Files, split: str, data: bytes) -> Files:
    """Append bytes to the first file of a split, and to its twins of other seeds for test."""
    names = [name for name in files if name.endswith(f"_{split}.tsv")]
    for name in names if split == "test" else names[:1]:
        files[name] += data
    return files
