import pytest
import torch

from dpf_core.errors import ConfigError
from dpf_core.files import read_json
from pipeline.science.appending import append_targets, compare, describe
from pipeline.science.running import tune
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
    with pytest.raises(TypeError, match="not callable"):
        append_targets(place(project), "dpf", 21)


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
