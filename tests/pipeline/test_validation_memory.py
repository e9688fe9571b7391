import dataclasses
from pathlib import Path
from typing import Any

import pytest

from dpf_core.gym.reader import load_manifest
from pipeline.validation_findings import Finding
from pipeline.validation_memory import forget, recall, remember, report_key
from pipeline.validation_profile import Profile
from pipeline.validation_report import TaskReport
from tests.pipeline.small_gym import build, classification, reviews
from tests.pipeline.test_validation import CONFIG


@pytest.fixture
def gym(tmp_path: Path) -> Path:
    return build(tmp_path / "gym", [(classification("a"), reviews("a"))])


@pytest.fixture
def report(gym: Path) -> TaskReport:
    return TaskReport(
        task=load_manifest(gym).task("a"),
        profile=Profile(
            rows={"full_train": 2, "train": 1, "dev": 1, "test": 1},
            answers=(("negative", 1), ("positive", 1)),
            num_answers=2,
            input_words=(1, 2, 3, 4, 5, 6),
            output_words=(),
            options=((2, 5),),
            examples=(("é\x00", "positive"),),
        ),
        findings=(
            Finding(
                task="a", gate="utf8", severity="critical", split="test", file="f", count=3,
                detail="odd", rows=(1, 2), examples=((1, "x"),),
            ),
        ),
    )  # fmt: skip


def key_of(gym: Path, **changes: Any) -> str:
    manifest = load_manifest(gym)
    config = dataclasses.replace(CONFIG, **changes)
    return report_key(gym, manifest, manifest.tasks[0], config)


def test_a_report_comes_back_as_it_was(tmp_path: Path, report: TaskReport) -> None:
    remember(tmp_path, report, "k")
    assert recall(tmp_path, report.task, "k") == report


def test_another_key_or_a_damaged_file_recalls_nothing(tmp_path: Path, report: TaskReport) -> None:
    assert recall(tmp_path, report.task, "k") is None
    remember(tmp_path, report, "k")
    assert recall(tmp_path, report.task, "other") is None
    for damage in ("{", "[]", '{"key": "k"}', '{"key": "k", "profile": {}, "findings": []}'):
        (tmp_path / "a.json").write_text(damage, encoding="utf-8")
        assert recall(tmp_path, report.task, "k") is None


def test_the_key_follows_bytes_and_limits_and_not_the_processes(gym: Path) -> None:
    first = key_of(gym)
    assert key_of(gym, jobs=7, warn_leak_fraction=0.9) == first
    assert key_of(gym, max_chars=7) != first
    (gym / "a" / "a_full_train.tsv").write_bytes(b"x\tpositive\n")
    second = key_of(gym)
    (gym / "a" / "a_full_train.tsv").unlink()
    assert len({first, second, key_of(gym)}) == 3


def test_reports_of_tasks_that_are_gone_are_removed(tmp_path: Path, report: TaskReport) -> None:
    remember(tmp_path, report, "k")
    forget(tmp_path, others_than=["a"])
    assert (tmp_path / "a.json").exists()
    forget(tmp_path, others_than=["b"])
    assert not (tmp_path / "a.json").exists()
