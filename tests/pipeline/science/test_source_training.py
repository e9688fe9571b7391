import shutil

import pytest
import torch

from dpf_core.errors import CheckpointError, ConfigError
from dpf_core.files import write_json
from pipeline.science import running
from pipeline.science.keys import code_hash
from pipeline.science.records import read_record
from pipeline.science.running import run_cells
from pipeline.science.source_training import SourceJob, _TimedCheckpoints
from pipeline.science.status import status
from tests.pipeline.science.small_science import (
    RATES,
    place,
    run,
    with_method,
    write_params,
)


def test_a_source_model_is_trained_for_a_missing_cell_alone(project):
    run(project, "dpf")
    record = read_record(project.source_record("dpf"))
    shutil.rmtree(project.work / "sources")
    run(project, "dpf")
    assert not (project.work / "sources").exists()
    project.cells("dpf").unlink()
    run(project, "dpf")
    assert read_record(project.source_record("dpf")) == record  # the same bits, so the same record
    assert record["tasks"].keys() == {"topic", "sound"}
    assert record["cpu_capability"] == torch.backends.cpu.get_cpu_capability()


def test_other_weights_of_the_same_settings_are_not_taken_for_the_recorded_model(project):
    run(project, "dpf")
    path, cells = project.source_record("dpf"), project.cells("dpf").read_bytes()
    write_json(path, read_record(path) | {"sha256": {"pool.safetensors": "of another processor"}})
    record = path.read_bytes()
    with pytest.raises(ConfigError, match=r"must be the recorded one.*Remove the folder") as said:
        running.make_sources(place(project), {"dpf"}, num_processes=1)
    assert str(path) in str(said.value)
    assert (path.read_bytes(), project.cells("dpf").read_bytes()) == (record, cells)


def test_a_source_training_that_was_killed_goes_on_and_says_so(project, monkeypatch):
    here, folder = interrupted(project, monkeypatch)
    assert folder.name.endswith(code_hash())
    write_json(folder / "seconds.json", 1000.0)
    running.make_sources(here, {"dpf"}, num_processes=1)
    record = read_record(project.source_record("dpf"))
    assert (record["resumed_at"], record["problems"]) == (2, [])
    assert 1000 < record["seconds"] < 1100


def test_checkpoints_of_other_code_are_not_gone_on_from(project, monkeypatch):
    here, _ = interrupted(project, monkeypatch)
    monkeypatch.setattr("pipeline.science.source_training.code_hash", lambda: "other")
    running.make_sources(here, {"dpf"}, num_processes=1)
    assert read_record(project.source_record("dpf"))["resumed_at"] is None


def interrupted(project, monkeypatch):
    """Return a place where a training was killed after its first checkpoint, and its folder."""
    here = place(project)
    with monkeypatch.context() as patched:
        patched.setattr(_TimedCheckpoints, "save", killed_after(_TimedCheckpoints.save))
        with pytest.raises(KeyboardInterrupt):
            running.make_sources(here, {"dpf"}, num_processes=1)
    (folder,) = project.checkpoints.iterdir()
    return here, folder


def killed_after(save):
    """Return what saves a checkpoint and then ends the training."""

    def killed(*args):
        save(*args)
        raise KeyboardInterrupt

    return killed


def test_cells_whose_source_model_has_no_record_count_again_after_a_run(project):
    run(project, "dpf")
    record = project.source_record("dpf").read_bytes()
    project.source_record("dpf").unlink()
    assert status(project)["dpf"]["cells"] == 0
    assert run(project, "dpf") == running.Done(ran=0, kept=4)
    assert project.source_record("dpf").read_bytes() == record
    assert status(project)["dpf"]["cells"] == 4


def test_a_model_with_a_teacher_is_trained_after_it(project, backbone_folder):
    with_method(project, backbone_folder, "mpt", "mpt", "mpt", RATES)
    assert run(project, "mpt").ran == 4
    trained = [folder.name.split("-")[0] for folder in (project.work / "sources").iterdir()]
    assert sorted(trained) == ["mpt", "single_task"]
    assert read_record(project.source_record("mpt"))["question"]["teacher"]["weight"] == 0.9


def test_a_damaged_source_model_is_refused(project):
    run(project, "dpf")
    (folder,) = (project.work / "sources").iterdir()
    (folder / "pool.safetensors").write_bytes(b"x")
    project.cells("dpf").unlink()
    with pytest.raises(CheckpointError, match=r"got: .*Remove .*; it is trained again"):
        run_cells(place(project), ["dpf"], num_processes=1)


def test_a_source_model_that_another_process_wrote_first_stays(project):
    here = place(project)
    running.make_sources(here, {"dpf"}, num_processes=1)
    (folder,) = (project.work / "sources").iterdir()
    before = read_record(folder / "record.json")
    job = SourceJob(name="dpf", key=before["key"])
    assert job.run(here.worker()) == before
    assert list((project.work / "sources").iterdir()) == [folder]


def test_damaged_seconds_of_an_earlier_training_are_one_sentence(project, monkeypatch):
    here, folder = interrupted(project, monkeypatch)
    (folder / "seconds.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"must be a number, got .*seconds.json.*Remove the"):
        running.make_sources(here, {"dpf"}, num_processes=1)


def test_what_a_fixed_scheduler_keeps_is_not_counted_as_trained(project, backbone_folder):
    found = []
    for mode in ("learned", "fixed"):
        write_params(project, backbone_folder, model__scheduler_mode=mode)
        running.make_sources(place(project), {"dpf"}, num_processes=1)
        found.append(read_record(project.source_record("dpf"))["num_trainable"])
    assert found[0] - found[1] == 2 * 4  # W [T, K]


def test_a_teacher_that_is_not_the_recorded_one_teaches_nobody(project, backbone_folder):
    with_method(project, backbone_folder, "mpt", "mpt", "mpt", RATES)
    running.train_sources(place(project), {"single_task"}, num_processes=1)
    path = project.source_record("single_task")
    write_json(path, read_record(path) | {"sha256": {"pool.safetensors": "of another processor"}})
    with pytest.raises(ConfigError, match=r"must be the recorded one.*single_task"):
        running.train_sources(place(project), {"mpt"}, num_processes=1)
    assert [f.name.split("-")[0] for f in (project.work / "sources").iterdir()] == ["single_task"]


def test_a_teacher_that_was_trained_without_a_record_gets_one_before_it_teaches(
    project, backbone_folder
):
    with_method(project, backbone_folder, "mpt", "mpt", "mpt", RATES)
    running.train_sources(place(project), {"single_task"}, num_processes=1, record=False)
    assert read_record(project.source_record("single_task")) is None
    running.train_sources(place(project), {"mpt"}, num_processes=1)
    assert read_record(project.source_record("single_task"))["sha256"]
