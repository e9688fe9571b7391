import dataclasses

import pytest

from dpf_core.errors import ConfigError
from dpf_core.files import read_json, write_json
from pipeline.science.running import Done, cell_jobs, key_of_source, tune
from pipeline.science.settings_file import load_science
from pipeline.science.tuning import Sweep
from tests.pipeline.science.small_science import RATES, place, write_params


def sweep(project, name="single_task"):
    return Sweep(load_science(project.params), project, name)


def fill(project, scores, name="single_task", metric="ACC"):
    """Record dev scores for the points of a sweep, without training."""
    here, found = place(project), sweep(project, name)
    jobs = found.missing(here.environment, here.gym, key_of_source(here, name))
    for job, score in zip(jobs, scores, strict=True):
        found.add(job, {"key": job.key, "dev_score": score, "metric": metric})
    return found


def test_the_point_with_the_best_dev_score_is_chosen(project):
    assert fill(project, [0.3, 0.4]).require() == 1
    record = read_json(project.tuning_record("single_task"))
    assert record["setting"] == {**RATES, "prompt_learning_rate": 0.1}
    assert [point["mean_dev_score"] for point in record["points"]] == [0.3, 0.4]


def test_of_equal_points_the_first_is_chosen(project):
    assert fill(project, [0.4, 0.4]).require() == 0


def test_a_point_is_judged_by_its_mean_over_the_tuning_targets(project, backbone_folder):
    write_params(project, backbone_folder, tuning__targets=["mood", "pick"])
    assert fill(project, [0.9, 0.1, 0.4, 0.8]).require() == 1


def test_a_correlation_counts_no_more_than_another_score(project):
    fill(project, [-0.2, 0.2], metric="Matthew-Correlation")
    points = read_json(project.tuning_record("single_task"))["points"]
    assert [point["mean_dev_score"] for point in points] == [0.4, 0.6]


def test_the_order_of_tuning_targets_changes_no_mean(project, backbone_folder):
    names = ["sound", "pick", "mood"]
    changes = {"gym__sources": ["topic"], "gym__targets": names, "tuning__targets": names}
    write_params(project, backbone_folder, **changes)
    assert (0.1 + 0.2) + 0.3 != (0.3 + 0.2) + 0.1
    assert fill(project, [0.1, 0.2, 0.3, 0.1, 0.1, 0.1]).chosen == 0
    assert sweep(project).require() == 0  # read again, from a file with sorted keys


def test_a_sweep_that_has_not_been_tried_throughout_chooses_nothing(project):
    here, found = place(project), sweep(project)
    job = found.missing(here.environment, here.gym, None)[0]
    found.add(job, {"key": job.key, "dev_score": 0.4, "metric": "ACC"})
    with pytest.raises(ConfigError, match="got an unfinished one"):
        sweep(project).require()


def test_a_method_without_a_record_is_refused(project):
    with pytest.raises(
        ConfigError, match=r"got none \(single_task, .*dpf science tune single_task"
    ):
        sweep(project).require()


@pytest.mark.parametrize(
    "changes",
    [
        {"methods__single_task__sweep": [RATES, {**RATES, "max_steps": 5}]},
        {"adaptation__batch_size": 5}, {"tuning__seed": 21}, {"tuning__targets": ["pick"]},
        {"model__prompt_length": 2},
    ],
)  # fmt: skip
def test_a_record_of_other_settings_is_refused(project, backbone_folder, changes):
    fill(project, [0.3, 0.4])
    write_params(project, backbone_folder, **changes)
    with pytest.raises(ConfigError, match="got one of other settings"):
        sweep(project).require()


def test_a_sweep_reads_no_test_file(project):
    here = place(project)
    for path in project.gym.glob("*/*_test.tsv"):
        path.unlink()
    tune(here, ["single_task"], num_processes=1)
    assert sweep(project).require() in (0, 1)


def other_rows(gym, task, part="_13_train"):
    """Return the gym with another file of a task."""
    record = gym.task(task)
    files = {
        name: dataclasses.replace(file, sha256="0" * 64) if part in name else file
        for name, file in record.files.items()
    }
    changed = dataclasses.replace(record, files=files)
    tasks = tuple(changed if old.name == task else old for old in gym.manifest.tasks)
    return dataclasses.replace(gym, manifest=dataclasses.replace(gym.manifest, tasks=tasks))


def test_a_record_of_other_rows_runs_no_cell(project):
    here = place(project)
    fill(project, [0.3, 0.4])
    assert len(cell_jobs(here, "single_task")) == 4
    changed = dataclasses.replace(here, gym=other_rows(here.gym, "mood"))
    with pytest.raises(ConfigError, match="got one of other rows, weights or another source"):
        cell_jobs(changed, "single_task")


def test_a_record_of_another_source_model_runs_no_cell(project):
    here = place(project)
    fill(project, [0.5], "dpf")
    assert len(cell_jobs(here, "dpf")) == 4
    changed = dataclasses.replace(here, gym=other_rows(here.gym, "topic", "_full_train"))
    with pytest.raises(ConfigError, match="got one of other rows, weights or another source"):
        cell_jobs(changed, "dpf")


def test_a_new_sweep_that_was_interrupted_chooses_nothing_from_a_mixture(project):
    here, found = place(project), fill(project, [0.3, 0.4])
    job = found.missing(here.environment, other_rows(here.gym, "mood"), None)[0]
    found.add(job, {"key": job.key, "dev_score": 0.1, "metric": "ACC"})
    assert sweep(project).chosen is None
    points = read_json(project.tuning_record("single_task"))["points"]
    assert [len(point["targets"]) for point in points] == [1, 0]


def test_outcomes_of_a_target_whose_rows_stayed_are_kept(project, backbone_folder):
    write_params(project, backbone_folder, tuning__targets=["mood", "pick"])
    here, found = place(project), fill(project, [0.9, 0.1, 0.4, 0.8])
    missing = found.missing(here.environment, other_rows(here.gym, "mood"), None)
    assert [job.target for job in missing] == ["mood", "mood"]
    for job in missing:
        found.add(job, {"key": job.key, "dev_score": 0.2, "metric": "ACC"})
    assert found.require(missing[0].origin) == 1


def test_what_was_tried_is_tried_again_on_another_machine_alone(project):
    here = place(project)
    fill(project, [0.3, 0.4])
    assert sweep(project).missing(here.environment, here.gym, None) == []
    other = dataclasses.replace(here.environment, torch="3")
    assert len(sweep(project).missing(other, here.gym, None)) == 2
    assert sweep(project).require() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"chosen": 7}, {"chosen": 0}, {"chosen": None}, {"points": []}, {"points": 3},
        {"points": [{}, {}]}, {"origin": None}, {"origin": {"data": {}}}, {"setting": {}},
    ],
)  # fmt: skip
def test_a_record_of_another_form_is_refused(project, changes):
    fill(project, [0.3, 0.4])
    path = project.tuning_record("single_task")
    write_json(path, read_json(path) | changes)
    with pytest.raises(ConfigError, match=r"must be whole, got .*single_task.json"):
        sweep(project)


@pytest.mark.parametrize(
    "changes", [{"dev_score": "0.4"}, {"metric": "F2"}, {"key": None}, {"dev_score": 0.2}]
)
def test_an_outcome_of_another_form_is_refused(project, changes):
    fill(project, [0.3, 0.4])
    record = read_json(project.tuning_record("single_task"))
    record["points"][1]["targets"]["mood"] |= changes
    write_json(project.tuning_record("single_task"), record)
    with pytest.raises(ConfigError, match=r"must be whole, got .*single_task.json"):
        sweep(project)


def test_a_record_without_a_part_is_refused(project):
    fill(project, [0.3, 0.4])
    record = read_json(project.tuning_record("single_task"))
    del record["chosen"]
    write_json(project.tuning_record("single_task"), record)
    with pytest.raises(ConfigError, match=r"must be whole, got .*single_task.json"):
        sweep(project)


def test_a_longer_sweep_and_more_targets_keep_what_was_tried(project, backbone_folder):
    fill(project, [0.3, 0.4])
    longer = [RATES, {**RATES, "prompt_learning_rate": 0.1}, {**RATES, "max_steps": 5}]
    changes = {"methods__single_task__sweep": longer, "tuning__targets": ["mood", "pick"]}
    write_params(project, backbone_folder, **changes)
    assert tune(place(project), ["single_task"], num_processes=1) == Done(ran=4, kept=2)
    points = read_json(project.tuning_record("single_task"))["points"]
    assert [point["targets"]["mood"]["dev_score"] for point in points[:2]] == [0.3, 0.4]
    assert sweep(project).chosen is not None


def test_a_shorter_sweep_chooses_from_what_was_tried(project, backbone_folder):
    fill(project, [0.3, 0.4])
    write_params(project, backbone_folder, methods__single_task__sweep=[RATES])
    assert tune(place(project), ["single_task"], num_processes=1) == Done(ran=0, kept=1)
    assert sweep(project).require() == 0


def test_a_kill_while_an_earlier_sweep_is_taken_over_loses_nothing(
    project, backbone_folder, monkeypatch
):
    fill(project, [0.3, 0.4])
    longer = [RATES, {**RATES, "prompt_learning_rate": 0.1}, {**RATES, "max_steps": 5}]
    write_params(project, backbone_folder, methods__single_task__sweep=longer)
    here, writes = place(project), []

    def killed_after_the_first(path, value):
        if writes:
            raise KeyboardInterrupt
        writes.append(write_json(path, value))

    monkeypatch.setattr("pipeline.science.tuning.write_json", killed_after_the_first)
    sweep(project).take_over(here.environment, here.gym, None)
    points = read_json(project.tuning_record("single_task"))["points"]
    assert [point["targets"]["mood"]["dev_score"] for point in points[:2]] == [0.3, 0.4]
