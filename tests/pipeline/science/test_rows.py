import dataclasses
import shutil
from types import SimpleNamespace

import pytest

from dpf_core.errors import ConfigError, GymError
from dpf_core.files import write_json
from dpf_core.gym.reader import load_manifest
from pipeline.science.protocol import open_place
from pipeline.science.records import read_record
from pipeline.science.rows import ScienceGym, check_leaks, check_rows, check_served, open_gym
from pipeline.science.settings_file import load_science
from tests.pipeline.science.small_science import place, write_params


def settings(project):
    return load_science(project.params).gym


def gym_of(project):
    return ScienceGym(project.gym, load_manifest(project.gym))


def change_task(gym, name, **values):
    """Return the gym whose manifest says other things of a task."""
    tasks = tuple(
        dataclasses.replace(task, **values) if task.name == name else task
        for task in gym.manifest.tasks
    )
    return ScienceGym(gym.folder, dataclasses.replace(gym.manifest, tasks=tasks))


def test_rows_that_are_not_there_need_a_mirror(project, monkeypatch):
    monkeypatch.delenv("DPF_MIRROR", raising=False)
    shutil.rmtree(project.gym)
    with pytest.raises(ConfigError, match=r"must come from a mirror, got none.*--mirror DIR"):
        open_gym(project.gym, settings(project), None)


def test_a_mirror_that_is_no_folder_is_named(project):
    shutil.rmtree(project.gym)
    with pytest.raises(ConfigError, match="nowhere"):
        open_gym(project.gym, settings(project), "nowhere")


def test_rows_that_are_there_need_no_mirror(project, monkeypatch):
    monkeypatch.delenv("DPF_MIRROR", raising=False)
    assert open_gym(project.gym, settings(project), None).folder == project.gym


def test_rows_of_the_hub_need_no_mirror_and_may_come_from_a_folder_of_repositories(
    project, tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setenv("DPF_MIRROR", "nowhere")
    monkeypatch.setattr("pipeline.science.rows.build_gym", lambda source, *_: asked.append(source))
    monkeypatch.setattr("pipeline.science.rows.select_tasks", lambda *_: SimpleNamespace(specs=()))
    shutil.rmtree(project.gym)
    for mirror in (None, str(tmp_path)):
        open_gym(project.gym, settings(project), mirror, "hub")
    assert [(source.name, source.directory) for source in asked] == [
        ("hub", None),
        ("hub", tmp_path),
    ]


def test_a_source_of_rows_that_does_not_exist_is_refused(project):
    shutil.rmtree(project.gym)
    with pytest.raises(ConfigError, match=r"--source must be one of mirror, hub, got 'hup'"):
        open_gym(project.gym, settings(project), None, "hup")


def test_a_target_without_dev_rows_is_refused(project):
    gym = gym_of(project)
    files = dict(gym.task("mood").files)
    files["mood_2_21_dev.tsv"] = dataclasses.replace(files["mood_2_21_dev.tsv"], rows=0)
    with pytest.raises(GymError, match=r"must have dev rows, got 0 \(mood, mood_2_21_dev.tsv\)"):
        check_rows(change_task(gym, "mood", files=files), settings(project))


def test_a_seed_that_has_no_file_is_refused(project, backbone_folder):
    write_params(project, backbone_folder, gym__seeds=[13, 7])
    with pytest.raises(GymError, match=r"100, 13, 21, 42, 87, got 7 \(mood, no mood_2_7_train"):
        place(project)


def test_a_file_that_has_changed_is_not_read(project):
    gym = gym_of(project)
    (project.gym / "mood" / "mood_2_13_dev.tsv").write_text("the sun\thappy\n")
    with pytest.raises(GymError, match=r"must have the SHA-256 .*mood_2_13_dev.tsv"):
        gym.rows("mood", "dev", 13)


def test_a_file_that_is_gone_is_named(project):
    gym = gym_of(project)
    (project.gym / "mood" / "mood_2_13_dev.tsv").unlink()
    with pytest.raises(GymError, match=r"got no such file .*mood_2_13_dev.tsv"):
        gym.rows("mood", "dev", 13)


@pytest.mark.parametrize(("task", "role"), [("mood", "targets"), ("topic", "sources")])
def test_free_text_is_refused_for_an_encoder_before_anything_is_trained(
    project, task, role, monkeypatch
):
    gym = change_task(gym_of(project), task, kind="text")
    settings = load_science(project.params)
    with pytest.raises(GymError, match=rf"the {role} of a bert .* got text \({task}\)"):
        check_served(gym, settings)
    monkeypatch.setattr("pipeline.science.protocol.open_gym", lambda *_: gym)
    monkeypatch.setattr("pipeline.science.protocol.check_leaks", None)  # it is not come to
    with pytest.raises(GymError, match=f"from gym.{role} of"):
        open_place(project, mirror=None, jobs=1)


def gpt2_named(project, folder, **changes):
    """Return settings whose backbone is a decoder of which there is no more than the name."""
    write_json(folder / "config.json", {"model_type": "gpt2"})
    write_params(project, folder, **changes)
    return load_science(project.params)


def test_what_no_decoder_can_run_is_refused_before_anything_is_trained(project, tmp_path):
    with pytest.raises(ConfigError, match=r"must be eager or sdpa .* type 'gpt2'"):
        check_served(gym_of(project), gpt2_named(project, tmp_path))
    settings = gpt2_named(project, tmp_path, backbone__attention="sdpa")
    with pytest.raises(ConfigError, match=r"any but heads_only .* got it \(methods.heads_only"):
        check_served(gym_of(project), settings)


def test_a_backbone_that_does_not_say_its_type_is_refused(project, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    write_params(project, tmp_path)
    with pytest.raises(ConfigError, match="must say its model_type, got KeyError"):
        check_served(gym_of(project), load_science(project.params))


@pytest.fixture
def leaky(project):
    """A project in which the source `topic` holds a test row of the target `mood`."""
    stolen = (project.gym / "mood" / "mood_2_13_test.tsv").read_text().splitlines()[0]
    path = project.gym / "topic" / "topic_full_train.tsv"
    path.write_text(path.read_text() + stolen.split("\t")[0] + "\ttool\n")
    return project


def test_a_source_that_holds_rows_of_a_target_is_refused(leaky):
    with pytest.raises(GymError, match=r"25.0% of the test .* of mood in topic.*: topic\."):
        check_leaks(gym_of(leaky), settings(leaky), jobs=1)


def test_a_leak_below_the_limit_stays_and_is_returned(leaky):
    loose = dataclasses.replace(settings(leaky), max_leak_fraction=0.5)
    (leak,) = check_leaks(gym_of(leaky), loose, jobs=1)
    assert (leak["source"], leak["target"], leak["test"]["same"]) == ("topic", "mood", 1)


def test_rows_that_two_targets_share_are_no_leak(project):
    both = dataclasses.replace(settings(project), targets=("mood", "topic"), sources=("sound",))
    assert check_leaks(gym_of(project), both, jobs=1) == []


def test_leaks_are_looked_for_once_a_gym(project, monkeypatch):
    place(project)
    record = read_record(project.protocol)
    assert record["targets"]["mood"]["metric"] == "Classification-F1"
    monkeypatch.setattr("pipeline.science.protocol.check_leaks", None)
    open_place(project, mirror=None, jobs=1)


def test_leaks_are_looked_for_again_where_the_rows_are_others(project):
    place(project)
    write_json(project.protocol, read_record(project.protocol) | {"asked": {}})
    place(project)
    assert read_record(project.protocol)["asked"] != {}
