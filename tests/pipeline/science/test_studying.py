import dataclasses
import shutil

import pytest

from dpf_core.errors import ConfigError, ProcessError
from pipeline.science import studying
from pipeline.science.lock import alone
from pipeline.science.records import read_cells, read_record
from pipeline.science.running import Done, run_cells, tune
from pipeline.science.settings_file import load_science
from pipeline.science.source_training import SourceJob
from pipeline.science.studies_file import load_studies
from pipeline.science.studying import run_studies
from tests.pipeline.science.small_science import place, write_params, write_studies

NAMES = ("temperature", "weights")


@pytest.fixture
def here(studied):
    here = place(studied)
    tune(here, ["dpf"], num_processes=1)
    return here


def study(here, *names, **options):
    studies = load_studies(here.layout.study_params, here.settings)
    return run_studies(here, studies, names or NAMES, num_processes=1, **options)


def cells(here, name, point):
    return read_cells(here.layout.study_cells(name, point)).cells


def counted(monkeypatch):
    """Return a list to which every source training from now on adds its key."""
    trained, run = [], SourceJob.run

    def counting(job, worker):
        trained.append(job.key)
        return run(job, worker)

    monkeypatch.setattr(SourceJob, "run", counting)
    return trained


def source(here, name, point):
    return read_record(here.layout.study_source(name, point))


def test_every_point_is_run_once_and_what_is_there_is_not_run_again(here):
    assert study(here).ran == 6  # two seeds of four points, the default of which is one
    assert study(here) == Done(ran=0, kept=8)
    places = {("mood", 13), ("mood", 21)}
    assert cells(here, "temperature", "0.1").keys() == places
    assert cells(here, "weights", "gradnorm").keys() == places


def test_equal_points_are_one_training_and_the_same_cells_recorded_twice(here, monkeypatch):
    trained = counted(monkeypatch)
    study(here)
    assert len(trained) == len(set(trained)) == 3
    assert cells(here, "temperature", "0.9") == cells(here, "weights", "equal")
    assert source(here, "temperature", "0.9") == source(here, "weights", "equal")
    assert source(here, "temperature", "0.9")["steps"] == 3


def test_another_value_makes_another_source_model(here):
    study(here, "temperature")
    low, default = (source(here, "temperature", point) for point in ("0.1", "0.9"))
    assert low["question"]["model"]["temperature"] == 0.1
    assert low["sha256"] != default["sha256"]


def test_a_default_that_is_the_tables_own_model_takes_its_cells_and_source(studied, monkeypatch):
    write_studies(studied, source_training={})
    here = place(studied)
    tune(here, ["dpf"], num_processes=1)
    run_cells(here, ["dpf"], num_processes=1)
    trained = counted(monkeypatch)
    assert study(here, "temperature").ran == 2
    assert len(trained) == 1
    own = read_cells(studied.cells("dpf")).cells
    assert cells(here, "temperature", "0.9") == {w: c for w, c in own.items() if w[0] == "mood"}
    assert source(here, "temperature", "0.9") == read_record(studied.source_record("dpf"))


def test_an_interrupted_study_goes_on_where_it_was(here, monkeypatch):
    real = studying.run_jobs

    def two_only(place, jobs, num_processes):
        results = real(place, jobs, num_processes)
        for _, result in zip(range(2), results, strict=False):
            yield result
        if len(jobs) > 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(studying, "run_jobs", two_only)
    with pytest.raises(KeyboardInterrupt):
        study(here, "temperature")
    monkeypatch.undo()
    trained = counted(monkeypatch)
    assert study(here, "temperature") == Done(ran=2, kept=2)
    assert trained == []


def test_a_source_model_is_trained_again_for_a_missing_cell_alone(here, monkeypatch):
    study(here, "temperature")
    shutil.rmtree(here.layout.work / "sources")
    trained = counted(monkeypatch)
    study(here, "temperature")
    assert trained == []
    here.layout.study_cells("temperature", "0.1").unlink()
    assert study(here, "temperature").ran == 2
    assert len(trained) == 1


def test_cells_of_other_settings_are_replaced_where_that_is_asked_for_alone(here, studied):
    study(here, "temperature")
    write_studies(studied, source_training={"max_steps": 2})
    before = studied.study_cells("temperature", "0.1").read_bytes()
    with pytest.raises(ConfigError, match=r"got 2 of other source \(.*with --replace"):
        study(here, "temperature")
    assert studied.study_cells("temperature", "0.1").read_bytes() == before
    assert study(here, "temperature", replace=True).ran == 4


@pytest.mark.slow
def test_two_processes_give_the_bits_of_one(here):
    study(here, "temperature")
    alone = {point: cells(here, "temperature", point) for point in ("0.1", "0.9")}
    shutil.rmtree(here.layout.metrics / "studies")
    shutil.rmtree(here.layout.work / "sources")
    studies = load_studies(here.layout.study_params, here.settings)
    run_studies(here, studies, ["temperature"], num_processes=2)
    for point, found in alone.items():
        again = cells(here, "temperature", point)
        assert {w: (c.key, c.score, c.resamples) for w, c in again.items()} == {
            w: (c.key, c.score, c.resamples) for w, c in found.items()
        }


def test_a_method_without_the_record_of_its_tuning_is_refused(studied):
    here = place(studied)
    with pytest.raises(ConfigError, match=r"its tuning, got none .*dpf science tune dpf"):
        study(here)
    assert not (studied.metrics / "studies").exists()


def test_a_study_that_does_not_exist_is_refused(here):
    with pytest.raises(ConfigError, match=r"got 'temprature'. Did you mean 'temperature'"):
        study(here, "temprature")


def test_a_second_run_at_once_is_refused(here):
    with alone(here.layout), pytest.raises(ProcessError, match="another one under way"):
        study(here)


def test_what_fails_names_the_point(here, studied, backbone_folder):
    points = {"1": {}, "9": {"model": {"prompted_depth": 9}}}
    write_studies(studied, studies__temperature__points=points)
    with pytest.raises(ConfigError, match=r"point of temperature 9, source dpf, by .*depth"):
        study(here, "temperature")


def test_a_worker_of_other_settings_shares_backbone_and_rows(here):
    worker = here.worker()
    rows = worker.rows("mood", "train", 13)
    other = worker.under(dataclasses.replace(here.settings, sources={}))
    assert other.backbone is worker.backbone
    assert other.rows("mood", "train", 13) is rows
    assert (other.settings.sources, worker.settings) == ({}, here.settings)


def test_studies_leave_the_tables_records_as_they_are(here, studied, backbone_folder):
    before = {path: path.read_bytes() for path in studied.metrics.rglob("*.json")}
    study(here)
    assert {path: path.read_bytes() for path in before} == before
    write_params(studied, backbone_folder)
    assert load_science(studied.params) == here.settings


def test_nothing_is_run_where_a_later_study_has_cells_of_other_settings(here, studied):
    study(here, "weights")
    write_studies(studied, source_training={"max_steps": 2})
    with pytest.raises(ConfigError, match=r"other source \(.*with --replace"):
        study(here, *NAMES)
    assert not studied.study_cells("temperature", "0.1").exists()
