from pathlib import Path

import pytest
import yaml

from dpf_core.gym.reader import load_manifest
from pipeline.stages import ingest


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder with one own task and a mirror that has no data set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DPF_MIRROR", raising=False)
    folder = tmp_path / "data" / "incoming" / "mood"
    folder.mkdir(parents=True)
    (tmp_path / "mirror").mkdir()
    (folder / "task.yaml").write_text(
        "name: mood\nkind: classification\nlabels: [sad, happy]\nshots: 2\ncategory: emotion\n"
        "licence: CC0-1.0\ndescription: Whether a sentence is happy.\n"
    )
    (folder / "train.tsv").write_text("a\tsad\nb\thappy\n" * 6)
    return tmp_path


def set_params(**changes):
    section = {"source": "mirror", "mirror_dir": "mirror", "tasks": "all", "jobs": 1} | changes
    Path("params.yaml").write_text(yaml.safe_dump({"ingest": section}))


def test_own_tasks_are_in_the_gym_and_missing_ones_are_listed(project, capsys):
    set_params()
    assert ingest.main() == 0
    assert [task.name for task in load_manifest(project / "data" / "gym").tasks] == ["mood"]
    output = capsys.readouterr().out
    assert "mood: 9 train and 3 test rows, no official files" in output
    assert "trec: missing, mirror lacks trec/default/train.parquet" in output


def test_a_half_copied_folder_is_named_and_leaves_the_others_alone(project, capsys):
    set_params()
    (project / "data/incoming/half").mkdir()
    (project / "data/incoming/half/train.tsv").write_text("a\tsad\n")
    assert ingest.main() == 0
    assert "data/incoming/half has no task.yaml yet, so it is ignored." in capsys.readouterr().out


def test_the_stage_takes_the_mirrors_folder_from_the_parameters_alone(project, monkeypatch):
    set_params(mirror_dir=None)
    monkeypatch.setenv("DPF_MIRROR", str(project / "mirror"))  # DVC would not see it change
    assert ingest.main() == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mirror_dir": None}, "the source mirror must have a folder, got none"),
        ({"tasks": ["trek"]}, "got 'trek'. Did you mean 'trec'?"),
        ({"shots": 3}, "got 'shots'"),
        ({"source": "hub", "mirror_dir": "gone"}, "must be an existing folder, got 'gone'"),
    ],
)
def test_a_wrong_parameter_ends_with_one_sentence(project, capsys, changes, message):
    set_params(**changes)
    assert ingest.main() == 1
    assert message in capsys.readouterr().err
    assert not (project / "data" / "gym").exists()
