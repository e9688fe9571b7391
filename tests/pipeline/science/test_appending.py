import pytest
import torch

from dpf_core.errors import ConfigError, GymError
from dpf_core.files import read_json, write_json
from pipeline.science.appending import append_targets, compare, current_append, describe
from pipeline.science.running import tune
from pipeline.science.settings_file import load_science
from tests.pipeline.science.small_science import DPF, JOINT, place, write_params


def appended(project, name="dpf", seed=13):
    here = place(project)
    tune(here, [name], num_processes=1)
    return append_targets(here, name, seed)


@pytest.mark.parametrize("mode", ["append", "private"])
def test_targets_that_join_a_pool_change_no_bit_of_its_tasks(project, backbone_folder, mode):
    write_params(project, backbone_folder, methods__dpf__sweep=[{**DPF, "mode": mode}])
    record = appended(project)
    assert (record["earlier_tasks"], record["joined_tasks"]) == (2, 4)
    assert (record["changed_prompts"], record["changed_rows"]) == (0, 0)
    assert record["compared_rows"] == 4  # two held-out rows of each source task
    assert list(record["tasks"]) == ["mood", "pick"]
    assert record == read_json(project.append_record)
    assert "fused prompts of earlier tasks that changed: 0 of 2" in describe(record)


def test_what_is_recorded_is_not_run_again(project, monkeypatch):
    first = appended(project)
    monkeypatch.setattr("pipeline.science.appending.adapt", None)
    assert append_targets(place(project), "dpf", 13) == first
    assert current_append(load_science(project.params), project) == first
    write_json(project.append_record, first | {"key": "of other settings"})
    assert current_append(load_science(project.params), project) is None


def test_the_record_of_another_seed_stays(project):
    first = appended(project)
    with pytest.raises(ConfigError, match=r"one record .* got one of dpf and seed 13 beside dpf"):
        append_targets(place(project), "dpf", 21)
    assert read_json(project.append_record) == first


def test_a_damaged_record_is_one_sentence(project):
    write_json(project.append_record, appended(project) | {"tasks": {}})
    with pytest.raises(ConfigError, match=r"must be whole, got .*append.json"):
        append_targets(place(project), "dpf", 13)


def test_changed_rows_of_a_source_are_refused(project):
    here = place(project)
    tune(here, ["dpf"], num_processes=1)
    path = next(project.gym.glob("topic/*_full_train.tsv"))
    path.write_bytes(path.read_bytes().replace(b"\t", b" \t", 1))
    with pytest.raises(GymError, match=r"must have the SHA-256 .*full_train"):
        append_targets(here, "dpf", 13)


def test_a_pool_that_was_trained_on_is_found_to_have_changed(project):
    here = place(project)
    appended(project)
    worker = here.worker()
    source = worker.source("dpf")
    other = here.worker().source("dpf")
    with torch.no_grad():
        other.front_end.pool.prompts.add_(1.0)
    rows = [worker.rows("mood", "dev", 13)]
    found = compare(source, other, rows)
    assert found["changed_prompts"] == 2
    assert found["changed_rows"] == found["compared_rows"] > 0


def test_a_mode_that_trains_the_pool_is_refused(project, backbone_folder):
    write_params(project, backbone_folder, methods__dpf__sweep=[JOINT])
    with pytest.raises(ConfigError, match=r"must be append or private, got joint \(dpf"):
        appended(project)
    assert not project.append_record.exists()


def test_a_method_without_a_pool_or_a_tuning_record_is_refused(project):
    with pytest.raises(ConfigError, match="must be of dpf, got single_task"):
        append_targets(place(project), "single_task", 13)
    with pytest.raises(ConfigError, match="dpf science tune dpf"):
        append_targets(place(project), "dpf", 13)
