import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from dpf_core.build import build_model
from dpf_core.errors import ConfigError, ProcessError
from pipeline.science import cell, running
from pipeline.science.lock import alone
from pipeline.science.records import read_cells
from pipeline.science.running import missing_cells, run_cells, tune
from tests.pipeline.science.small_science import (
    RATES,
    place,
    run,
    scores,
    with_method,
    write_params,
)

METHODS = ("dpf", "single_task", "spot", "heads_only")


def test_every_target_and_seed_is_run_once(project):
    assert run(project, *METHODS).ran == 16
    assert run(project, *METHODS) == running.Done(ran=0, kept=16)
    places = {("mood", 13), ("mood", 21), ("pick", 13), ("pick", 21)}
    assert {name: scores(project, name).keys() for name in METHODS} == dict.fromkeys(
        METHODS, places
    )


def test_a_method_without_the_record_of_its_tuning_is_refused(project):
    with pytest.raises(ConfigError, match=r"its tuning, got none .*dpf science tune spot"):
        run_cells(place(project), ["spot"], num_processes=1)
    assert not project.cells("spot").exists()


def test_a_method_that_does_not_exist_is_refused(project):
    with pytest.raises(ConfigError, match=r"got 'sport'. Did you mean 'spot'"):
        run_cells(place(project), ["sport"], num_processes=1)


@pytest.mark.slow
def test_two_processes_give_the_bits_of_one(project):
    run(project, "single_task")
    alone = scores(project, "single_task")
    project.cells("single_task").unlink()
    run_cells(place(project), ["single_task"], num_processes=2)
    assert scores(project, "single_task") == alone


def test_only_cells_of_other_settings_are_run_again(project, backbone_folder):
    run(project, "single_task", "heads_only")
    changed = [{**RATES, "max_steps": 2}, RATES]
    write_params(project, backbone_folder, methods__single_task__sweep=changed)
    with pytest.raises(ConfigError, match="got one of other settings"):
        missing_cells(place(project), "single_task")
    assert len(missing_cells(place(project), "heads_only")) == 0


def test_cells_of_another_torch_are_replaced_where_that_is_asked_for_alone(project):
    run(project, "heads_only")
    before, here = project.cells("heads_only").read_bytes(), place(project)
    other = dataclasses.replace(here, environment=dataclasses.replace(here.environment, torch="3"))
    with pytest.raises(ConfigError, match="got 4 of other torch"):
        run_cells(other, ["heads_only"], num_processes=1)
    assert project.cells("heads_only").read_bytes() == before
    assert run_cells(other, ["heads_only"], num_processes=1, replace=True).ran == 4
    assert read_cells(project.cells("heads_only")).setup["torch"] == "3"


def test_a_new_seed_needs_its_own_cells_alone(project, backbone_folder):
    run(project, "heads_only")
    write_params(project, backbone_folder, gym__seeds=[13, 21, 42])
    missing = missing_cells(place(project), "heads_only")
    assert {(job.target, job.seed) for job in missing} == {("mood", 42), ("pick", 42)}


def test_a_source_that_is_trained_otherwise_makes_its_methods_cells_stale(project, backbone_folder):
    run(project, "dpf", "single_task")
    write_params(project, backbone_folder, sources__dpf__train={"max_steps": 6})
    run(project, "single_task")
    with pytest.raises(ConfigError, match="dpf science tune dpf"):
        run_cells(place(project), ["dpf"], num_processes=1)


def test_prompts_of_each_input_are_adapted_from_single_task_sources(project, backbone_folder):
    point = {**RATES, "gate_learning_rate": 0.001}
    with_method(project, backbone_folder, "attempt", "single_task", "attempt", point)
    assert run(project, "attempt").ran == 4


@pytest.mark.parametrize("source", [None, "full_finetune"])
def test_full_finetuning_of_one_cell_leaves_the_next_one_as_it_was(
    project, backbone_folder, source
):
    point = {"backbone_learning_rate": 0.01, "head_learning_rate": 0.01}
    with_method(project, backbone_folder, "full", source, "full_finetune", point)
    run(project, "heads_only")
    alone = scores(project, "heads_only")
    project.cells("heads_only").unlink()
    here = place(project)
    tune(here, ["full"], num_processes=1)
    run_cells(here, ["full", "heads_only"], num_processes=1)
    assert scores(project, "heads_only") == alone
    full = read_cells(project.cells("full")).cells["mood", 13]
    assert full.num_trainable > 1000


def test_spot_starts_from_the_source_task_that_is_nearest(project, monkeypatch):
    found = []
    nearest = "pipeline.science.cell.most_similar_prompt"
    monkeypatch.setattr(nearest, lambda source, prompt: found.append(source.config.method) or 1)
    run(project, "spot")
    assert found == ["single_task"] * 5  # one tuning run, four cells


def test_the_probe_of_spot_starts_where_the_source_prompts_started(project, monkeypatch):
    probes = []
    monkeypatch.setattr(cell, "_train", lambda _, model, *rest: probes.append(model))
    here = place(project)
    running.make_sources(here, {"spot"}, num_processes=1)
    worker, method = here.worker(), here.settings.methods["spot"]
    cell.adapt(worker, method, method.sweep[0], "mood", 21)
    model, start = here.settings.sources["single_task"].model, torch.Generator().manual_seed(13)
    source = build_model(worker.backbone, [worker.spec("topic")], model, start)
    assert torch.equal(probes[0].front_end.prompts, source.front_end.prompts)


def test_an_interrupted_tuning_goes_on_and_is_no_record_until_it_ends(project, monkeypatch):
    here = place(project)
    real = running.run_jobs

    def first_only(*args):
        yield next(real(*args))
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "run_jobs", first_only)
    with pytest.raises(KeyboardInterrupt):
        tune(here, ["single_task"], num_processes=1)
    with pytest.raises(ConfigError, match="got an unfinished one"):
        run_cells(here, ["single_task"], num_processes=1)
    monkeypatch.undo()
    assert tune(here, ["single_task"], num_processes=1) == running.Done(ran=1, kept=1)


@pytest.mark.parametrize(
    "second",
    [
        lambda here: run_cells(here, ["heads_only"], num_processes=1),
        lambda here: tune(here, ["heads_only"], num_processes=1),
        lambda here: running.record_sources(here, num_processes=1),
    ],
    ids=["run", "tune", "sources"],
)
def test_a_second_run_at_once_is_refused(project, second):
    here = place(project)
    with alone(project), pytest.raises(ProcessError, match=r"got another one under way"):
        second(here)
    tune(here, ["heads_only"], num_processes=1)


CHILD = """
import sys
from pathlib import Path
from pipeline.science.cell import CellJob
from pipeline.science.layout import Layout
from pipeline.science.running import run_cells
from tests.pipeline.science.small_science import place
import time

run, jobs = CellJob.run, int(sys.argv[2])
def slow(self, worker):
    cell = run(self, worker)
    time.sleep(0 if self.seed == 13 else 60)
    return cell
CellJob.run = slow
run_cells(place(Layout.below(Path(sys.argv[1]))), ["heads_only"], num_processes=jobs)
"""


def test_a_run_that_was_killed_goes_on_with_the_cells_that_are_missing(project, tmp_path):
    tune(place(project), ["heads_only"], num_processes=1)
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), "1"])
    while not project.cells("heads_only").exists() and child.poll() is None:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    before = scores(project, "heads_only")
    assert before.keys() == {("mood", 13)}
    assert run(project, "heads_only") == running.Done(ran=3, kept=1)
    after = scores(project, "heads_only")
    assert after[("mood", 13)] == before[("mood", 13)]
    project.cells("heads_only").unlink()
    run(project, "heads_only")
    assert scores(project, "heads_only") == after
