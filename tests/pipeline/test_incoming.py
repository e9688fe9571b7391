import os
from pathlib import Path

import pytest

from dpf_core.gym import incoming as core_incoming
from pipeline.incoming import complete_tasks, ignored_folders, incoming_tasks


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


@pytest.mark.parametrize("name", [".train.tsv.swp", "train.tsv~", ".DS_Store", "README.md"])
def test_files_that_no_build_reads_are_no_new_content(tmp_path, name):
    (tmp_path / "news").mkdir()
    for file in ("task.yaml", "train.tsv"):
        (tmp_path / "news" / file).write_text("x\n")
    before = incoming_tasks(tmp_path)
    (tmp_path / "news" / name).write_text("half a line")
    assert incoming_tasks(tmp_path) == before
    (tmp_path / "news" / "test.tsv").write_text("x\n")
    assert incoming_tasks(tmp_path) != before


def test_a_task_that_cannot_be_read_is_ignored_with_the_reason(tmp_path, monkeypatch):
    for task in ("good", "bad"):
        (tmp_path / task).mkdir()
        for file in ("task.yaml", "train.tsv"):
            (tmp_path / task / file).write_text("x\n")

    def refused(path):
        if path.parent.name == "bad":
            raise PermissionError(13, "Permission denied")
        return "hash"

    monkeypatch.setattr("pipeline.incoming.sha256_file", refused)
    found, ignored = incoming_tasks(tmp_path)
    assert found.keys() == {"good"}
    assert ignored == ["data/incoming/bad cannot be read: Permission denied. Correct it."]
    assert complete_tasks(tmp_path) == {"good", "bad"}


def test_a_folder_that_cannot_be_entered_hides_no_other(tmp_path, monkeypatch):
    for task in ("good", "bad"):
        (tmp_path / task).mkdir()
        for file in ("task.yaml", "train.tsv"):
            (tmp_path / task / file).write_text("x\n")
    is_file = Path.is_file

    def refused(path):
        if path.parent.name == "bad":
            raise PermissionError(13, "Permission denied")
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refused)
    found, ignored = incoming_tasks(tmp_path)
    assert found.keys() == complete_tasks(tmp_path) == {"good"}
    assert ignored == ["data/incoming/bad cannot be read: Permission denied, so it is ignored."]
    with pytest.raises(PermissionError):  # a build does not go on without it
        core_incoming.incoming_tasks(tmp_path)


def test_a_folder_whose_name_is_no_utf_8_is_named_in_signs_that_are(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    (sentence,) = ignored_folders(tmp_path)
    assert sentence.encode().startswith(b"data/incoming/caf\\udce9 has a name with signs that")


def test_rows_are_read_once_while_they_stay_as_they_are(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(
        "pipeline.incoming.sha256_file", lambda path: read.append(path.name) or f"{len(read)}"
    )
    (tmp_path / "news").mkdir()
    for name in ("task.yaml", "train.tsv"):
        (tmp_path / "news" / name).write_text("x\n")
    first, _ = incoming_tasks(tmp_path)
    assert incoming_tasks(tmp_path)[0] == first
    assert sorted(read) == ["task.yaml", "train.tsv"]
    (tmp_path / "news/train.tsv").write_text("y\n")
    assert incoming_tasks(tmp_path)[0] != first
    assert sorted(read) == ["task.yaml", "train.tsv", "train.tsv"]
