import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch

from dpf_core.adaptation import adapt_model
from dpf_core.errors import ConfigError
from dpf_core.evaluation.per_task import quick_score
from dpf_core.files import read_json, write_json
from dpf_core.training.loop import train
from pipeline.science import matrix
from pipeline.science.frozen_prompt import dev_score
from pipeline.science.matrix import current_matrix, read_matrix, run_matrix
from pipeline.science.matrix_figures import leaf_order, matrix_figures
from pipeline.science.running import Done, tune
from pipeline.science.settings_file import load_science
from tests.pipeline.science.small_science import place


@pytest.fixture
def here(project):
    here = place(project)
    tune(here, ["heads_only"], num_processes=1)
    return here


def adapted(worker, task="mood"):
    method = worker.settings.methods["heads_only"]
    point = method.sweep[0]
    worker.seed(13)
    model = adapt_model(
        None, worker.backbone, worker.spec(task), method.model, point.adapt, torch.Generator()
    )
    rows = [worker.rows(task, split, 13) for split in ("train", "dev")]
    return model, rows, point.train


def test_a_head_over_kept_features_learns_as_over_the_backbone(here):
    worker = here.worker()
    model, (train_rows, dev_rows), config = adapted(worker)
    found = dev_score(model, train_rows, dev_rows, config)
    other, _, _ = adapted(worker)
    result = train(other, [train_rows], [dev_rows], config)
    assert found == pytest.approx(result.best_dev_score)
    if result.best_step == config.max_steps:  # or one stands at its best step, one at its last
        torch.testing.assert_close(model.heads.delta, other.heads.delta, rtol=1e-3, atol=1e-5)


def test_a_multiple_choice_is_scored_as_it_is(here):
    model, rows, config = adapted(here.worker(), "pick")
    assert dev_score(model, *rows, config) == quick_score(model, rows[1])
    assert not model.heads.delta.any()


def test_every_target_stands_beside_every_source_once(here, project):
    assert run_matrix(here, num_processes=1) == Done(ran=2, kept=0)
    assert run_matrix(here, num_processes=1) == Done(ran=0, kept=2)
    record = read_matrix(project)
    assert list(record["targets"]) == ["mood", "pick"]
    for row in record["targets"].values():
        assert row["with"].keys() == {"topic", "sound"}
        assert 0 <= row["without"] <= 1
    weights = torch.tensor(record["scheduler"]["mixing_weights"])
    assert record["scheduler"]["tasks"] == ["topic", "sound"]
    assert weights.sum(dim=1).tolist() == pytest.approx([1, 1], abs=1e-4)


def test_no_test_file_is_read(here, project):
    for path in project.gym.glob("*/*_test.tsv"):
        path.unlink()
    assert run_matrix(here, num_processes=1).ran == 2


def test_an_interrupted_matrix_goes_on(here, monkeypatch):
    real = matrix.run_jobs

    def first_only(*args):
        yield next(real(*args))
        raise KeyboardInterrupt

    monkeypatch.setattr(matrix, "run_jobs", first_only)
    with pytest.raises(KeyboardInterrupt):
        run_matrix(here, num_processes=1)
    monkeypatch.undo()
    assert run_matrix(here, num_processes=1) == Done(ran=1, kept=1)


def test_a_matrix_of_another_machine_is_refused_and_stays(here, project):
    run_matrix(here, num_processes=1)
    before = project.matrix.read_bytes()
    other = replace(here, environment=replace(here.environment, torch="9.9"))
    with pytest.raises(ConfigError, match=r"such as mood \(.*matrix.json\). Restore those"):
        tune_and_run(other)
    assert project.matrix.read_bytes() == before


def tune_and_run(here):
    tune(here, ["heads_only"], num_processes=1)
    run_matrix(here, num_processes=1)


def test_a_matrix_whose_heads_were_tuned_on_other_rows_is_not_shown(here, project):
    run_matrix(here, num_processes=1)
    assert current_matrix(here.settings, project)["targets"].keys() == {"mood", "pick"}
    told = read_json(project.protocol)
    seed = str(here.settings.tuning.seed)
    told["targets"][here.settings.tuning.targets[0]]["data"][seed] = "other"
    write_json(project.protocol, told)
    assert current_matrix(here.settings, project) is None


def test_heads_that_were_not_tuned_are_refused(project):
    with pytest.raises(ConfigError, match="dpf science tune heads_only"):
        run_matrix(place(project), num_processes=1)


def test_settings_without_a_source_of_prompts_are_refused(project):
    settings = load_science(project.params)
    pool_alone = dataclasses.replace(settings, sources={"dpf": settings.sources["dpf"]})
    with pytest.raises(ConfigError, match=r"a source of the method single_task .* got dpf"):
        matrix.parts_of(pool_alone)


@pytest.mark.parametrize("value", [{}, {"targets": {"mood": {}}, "scheduler": {}, "seed": 13}])
def test_a_damaged_matrix_is_refused(project, value):
    project.matrix.parent.mkdir(parents=True, exist_ok=True)
    write_json(project.matrix, value)
    with pytest.raises(ConfigError, match=r"must be whole, got .*matrix.json"):
        read_matrix(project)


MATRIX = {
    "seed": 13, "environment": {"backbone_sha256": "weights", "torch": "2"},
    "targets": {
        name: {"key": "k", "without": 0.5, "with": {"x": 0.5 + i / 10, "y": 0.4, "z": 0.9 - i / 10}}
        for i, name in enumerate("abcd")
    },
    "scheduler": {
        "key": "k", "tasks": ["x", "y", "z"],
        "mixing_weights": [[0.9, 0.1], [0.1, 0.9], [0.8, 0.2]],
    },
}  # fmt: skip


def test_both_heat_maps_are_drawn_alike_each_time(tmp_path):
    first, again = (matrix_figures(MATRIX, tmp_path / folder) for folder in "ab")
    assert [path.name for path in first] == ["matrix.png", "scheduler.png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_tasks_that_mix_alike_stand_side_by_side():
    order = leaf_order(np.array(MATRIX["scheduler"]["mixing_weights"]), "jensenshannon")
    assert abs(order.index(0) - order.index(2)) == 1
