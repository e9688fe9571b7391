"""The validate stage: exit code, streams and files."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pipeline.stages import validate
from tests.pipeline.small_gym import Files, add, build, classification, reviews

PARAMS = """
validate:
  jobs: 1
  leak_similarity: 0.8
  max_chars: 10000
  max_conflict_fraction: 0.4
  max_rows: 100
  min_label_fraction: 0.02
  warn_constant_fraction: 1.0
  warn_duplicate_fraction: 0.01
  warn_leak_fraction: 0.01
  warn_overlap_fraction: 0.0
"""
TYPO = b"watch it\tpostive\n"
LEAK = b"a warm and funny film\tpositive\n"
METRICS, PAGE = Path("data/metrics/validate.json"), Path("data/validation/index.html")
CARD = Path("data/validation/tasks/films.html")
Build = Callable[[Files], Path]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Work in an empty project; the result writes its gym, with one task `films`."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS, encoding="utf-8")
    return lambda files: build(Path("data/gym"), [(classification("films"), files)])


def test_a_critical_finding_exits_1_and_names_task_split_rows_and_cure(
    project: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    project(add(reviews("films"), "test", TYPO))
    assert validate.main() == 1
    message = capsys.readouterr().err
    assert "task films, split test (films_16_13_test.tsv), line 3: 1 of 3 rows" in message
    assert "Correct the output, or declare the label" in message


def test_a_failed_run_still_writes_both_reports(project: Build) -> None:
    project(add(reviews("films"), "test", TYPO))
    validate.main()
    (task,) = json.loads(METRICS.read_text(encoding="utf-8"))["tasks"]
    (finding,) = task["critical"]
    assert not task["passed"]
    assert (finding["expectation"], finding["rows"], finding["count"]) == ("known_label", [3], 1)
    assert "postive" in CARD.read_text(encoding="utf-8")


def test_warnings_are_printed_and_exit_0(
    project: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    project(add(reviews("films"), "test", LEAK))
    assert validate.main() == 0
    captured = capsys.readouterr()
    assert "warning: task films, split test (films_16_13_test.tsv), line 3: 1 of 3" in captured.out
    assert "1 task: 0 critical findings, 1 warning " in captured.out
    assert captured.err == ""


def test_a_second_run_writes_the_same_bytes(project: Build) -> None:
    project(add(reviews("films"), "test", LEAK))
    validate.main()
    first = [file.read_bytes() for file in (METRICS, PAGE, CARD)]
    validate.main()
    assert [file.read_bytes() for file in (METRICS, PAGE, CARD)] == first


def test_the_metrics_count_rows_by_split(project: Build) -> None:
    project(reviews("films"))
    validate.main()
    metrics = json.loads(METRICS.read_text(encoding="utf-8"))
    assert metrics == {
        "num_critical": 0,
        "num_warnings": 0,
        "leaks": {
            "min_similarity": 0.8,
            "num_tasks": 1,
            "train_rows": 6,
            "target_rows": 18,
            "leaks": [],
        },
        "tasks": [
            {
                "name": "films",
                "passed": True,
                "critical": [],
                "warnings": [],
                # Two seeds with equal bytes are one file read.
                "rows": {"full_train": 6, "train": 4, "dev": 4, "test": 2},
            }
        ],
    }


def test_dagster_hears_the_counts_of_a_failed_run(
    project: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Mapping[str, int]] = []
    monkeypatch.setattr(validate, "report_to_dagster", heard.append)
    project(add(reviews("films"), "test", TYPO))
    validate.main()
    assert heard == [{"tasks": 1, "critical": 1, "warning": 0}]


@pytest.mark.usefixtures("project")
def test_a_missing_gym_is_a_sentence_and_leaves_earlier_reports(
    capsys: pytest.CaptureFixture[str],
) -> None:
    METRICS.parent.mkdir(parents=True)
    METRICS.write_text("earlier", encoding="utf-8")
    assert validate.main() == 1
    assert "a gym must have a readable manifest.json" in capsys.readouterr().err
    assert METRICS.read_text(encoding="utf-8") == "earlier"


def test_an_unwritable_output_is_a_sentence(
    project: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    project(reviews("films"))
    Path("data/validation").write_text("in the way", encoding="utf-8")
    assert validate.main() == 1
    assert "files must be readable and writable, got" in capsys.readouterr().err
