"""Validation of a whole gym: processes, leaks between tasks, and the profile of each."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.validation import validate_gym
from pipeline.validation_config import ValidateConfig
from pipeline.validation_report import GymReport, TaskReport
from pipeline.validation_run import check_task
from tests.pipeline.small_gym import (
    add,
    build,
    classification,
    free_text,
    lines,
    multiple_choice,
    questions,
    reviews,
    stories,
)

CONFIG = ValidateConfig(
    jobs=1,
    leak_similarity=0.8,
    max_chars=9_000,
    max_rows=100,
    max_conflict_fraction=0.05,
    min_label_fraction=0.02,
    warn_constant_fraction=1.0,
    warn_duplicate_fraction=0.01,
    warn_leak_fraction=0.5,
    warn_overlap_fraction=0.0,
)
COPIED = lines([("A joy to watch!", "positive"), ("It never comes alive", "negative")])


@pytest.fixture(scope="module")
def gym(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Task `films` is trained on both test rows of `plays`; other kinds beside them."""
    tasks = [
        (classification("films"), add(reviews("films"), "full_train", COPIED)),
        (classification("plays"), reviews("plays")),
        (multiple_choice("quiz"), questions("quiz")),
        (free_text("titles"), stories("titles")),
    ]
    return build(tmp_path_factory.mktemp("gym"), tasks)


@pytest.fixture(scope="module")
def report(gym: Path) -> GymReport:
    return validate_gym(gym, CONFIG)


def test_a_leak_is_a_warning_of_the_task_that_is_scored(report: GymReport) -> None:
    (finding,) = [finding for finding in report.of("warning") if finding.gate == "leak"]
    assert (finding.task, finding.split, finding.count) == ("plays", "test", 2)
    assert finding.rows == (1, 2)
    assert finding.detail == (
        "2 of 2 rows (100.0%) are in the training rows of films, 2 of them word for word; "
        "line 1 is there in line 7"
    )


def test_shared_few_shot_rows_alone_are_reported_but_no_warning(report: GymReport) -> None:
    assert report.leaks is not None
    shared = [(leak.source, leak.target) for leak in report.leaks.leaks if not leak.test.share]
    assert ("plays", "films") in shared
    assert not [finding for finding in report.of("warning") if finding.task == "films"]


@pytest.mark.slow
def test_processes_find_the_same_in_the_same_order(gym: Path, report: GymReport) -> None:
    assert validate_gym(gym, dataclasses.replace(CONFIG, jobs=2)) == report


def test_without_every_file_leaks_are_not_looked_for(tmp_path: Path) -> None:
    gym = build(tmp_path, [(classification("films"), reviews("films"))])
    (gym / "films" / "films_full_train.tsv").unlink()
    report = validate_gym(gym, CONFIG)
    assert report.leaks is None
    assert report.to_json()["leaks"] is None


def test_the_profile_counts_labels_places_and_repeated_answers(report: GymReport) -> None:
    answers = {task.task.name: task.profile.answers for task in report.tasks}
    assert answers["plays"] == (("negative", 3), ("positive", 3))
    assert answers["quiz"] == (("option A", 2), ("option B", 2))
    assert answers["titles"] == ()


def test_the_profile_measures_words_and_options(report: GymReport) -> None:
    quiz = next(task.profile for task in report.tasks if task.task.name == "quiz")
    assert quiz.options == ((2, 6),)
    assert quiz.input_words == (7, 7, 7, 9, 10, 10)


def test_examples_show_different_outputs_first(report: GymReport) -> None:
    films = next(task.profile for task in report.tasks if task.task.name == "films")
    assert [output for _, output in films.examples[:2]] == ["positive", "negative"]
    assert len(films.examples) == 6


def test_a_second_run_checks_changed_tasks_alone_and_finds_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [(classification(name), add(reviews(name), "test", COPIED)) for name in "ab"]
    gym = build(tmp_path / "gym", tasks)
    first = validate_gym(gym, CONFIG, memory=tmp_path / "memory")
    checked: list[str] = []
    monkeypatch.setattr("pipeline.validation._check", _noting(checked))
    assert validate_gym(gym, CONFIG, memory=tmp_path / "memory") == first
    assert checked == []
    (gym / "b" / "b_full_train.tsv").write_bytes(b"a late change\tpositive\n")
    changed = validate_gym(gym, CONFIG, memory=tmp_path / "memory")
    assert checked == ["b"]
    assert [task.passed for task in changed.tasks] == [True, False]


def _noting(checked: list[str]) -> Callable[..., TaskReport]:
    def check(*arguments: Any) -> TaskReport:
        checked.append(arguments[2].name)
        return check_task(*arguments)

    return check
