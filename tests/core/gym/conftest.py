"""A mirror of one hand-written task: ten train rows, four held out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from dpf_core.gym.spec import TaskSpec, spec_from_mapping

REVIEWS = {
    "kind": "classification",
    "source": {"id": "reviews"},
    "input": "review: {text}",
    "answer": "label",
    "labels": ["bad", "good"],
    "shots": 2,
    "category": "sentiment",
    "licence": "CC0-1.0",
    "description": "Whether a review is good.",
}
TRAIN = {
    "text": ["dull", "fun", "slow", "warm", "flat", "bright", "grim", "kind", "stale", "sharp"],
    "label": [0, 1, 0, 1, 0, 1, 0, 1, 0, 1],
}
TEST = {"text": ["dim", "neat", "poor", "fine"], "label": [0, 1, 0, 1]}


@pytest.fixture
def make_spec() -> Callable[..., TaskSpec]:
    def make(name: str = "reviews", **changes: Any) -> TaskSpec:
        merged = {**REVIEWS, **changes}
        return spec_from_mapping(name, {k: v for k, v in merged.items() if v is not None})

    return make


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Write one parquet file of the mirror and return its path."""

    def write(split: str, columns: dict[str, list[Any]], source: str = "reviews/default") -> Path:
        path = tmp_path / "mirror" / source / f"{split}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pyarrow.table(columns), path)
        return path

    return write


@pytest.fixture
def mirror(tmp_path: Path, put: Callable[..., Path]) -> Path:
    put("train", TRAIN)
    put("validation", TEST)
    return tmp_path / "mirror"


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    """A folder with one task, `mood`, of ten rows and no test file."""
    folder = tmp_path / "incoming" / "mood"
    folder.mkdir(parents=True)
    (folder / "task.yaml").write_text(
        "name: mood\nkind: classification\nlabels: [sad, happy]\nshots: 2\ncategory: emotion\n"
        "licence: CC0-1.0\ndescription: Whether a sentence is happy.\n"
    )
    rows = [f"sentence {number}\t{'happy' if number % 2 else 'sad'}\n" for number in range(10)]
    (folder / "train.tsv").write_text("".join(rows))
    return tmp_path / "incoming"
