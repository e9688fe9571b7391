import pytest

from dpf_core.gym import incoming as core_incoming
from pipeline.incoming import incoming_tasks


@pytest.mark.parametrize(
    ("file", "reason"),
    [("train.tsv", "has no task.yaml yet"), ("task.yaml", "has no train.tsv, train.csv")],
)
def test_an_incomplete_directory_is_ignored_with_the_reason(tmp_path, file, reason):
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / file).write_text("a\tb\n")
    found, ignored = incoming_tasks(tmp_path)
    assert found == {}
    assert len(ignored) == 1
    assert f"data/incoming/half {reason}" in ignored[0]


def test_a_file_that_moves_inside_a_task_is_a_new_content(tmp_path):
    (tmp_path / "news").mkdir()
    for name in ("task.yaml", "train.tsv"):
        (tmp_path / "news" / name).write_text("x\n")
    before, _ = incoming_tasks(tmp_path)
    (tmp_path / "news/train.tsv").rename(tmp_path / "news/train.csv")
    assert incoming_tasks(tmp_path)[0] != before


def test_the_sensor_and_the_build_wait_for_the_same_directories(tmp_path):
    for name, files in {
        "a": [],
        "b": ["task.yaml"],
        "c": ["test.tsv", "task.yaml"],
        ".d": [],
    }.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_text("x\n")
    found, ignored = incoming_tasks(tmp_path)
    assert (found, len(ignored)) == ({}, 3)
    assert core_incoming.incoming_tasks(tmp_path)[1] == []


def test_a_missing_directory_has_no_tasks(tmp_path):
    assert incoming_tasks(tmp_path / "none") == ({}, [])
