import dataclasses

import pytest

from dpf_core.errors import ConfigError
from dpf_core.files import read_json, write_json
from pipeline.science.keys import cell_key, data_key, source_data_key, source_key, source_question
from pipeline.science.records import RESAMPLE_UNIT, Cell, add_cell, read_cells
from pipeline.science.running import cell_jobs, key_of_source
from pipeline.science.status import describe as describe_status
from pipeline.science.status import status
from pipeline.science.transfer import build_transfer, describe, write_transfer
from pipeline.science.tuning import Sweep
from tests.pipeline.science.small_science import PARAMS, place, write_params

SCORES = {"dpf": 0.6, "single_task": 0.5, "spot": 0.4, "heads_only": 0.3}


def tuned(here, name):
    source = here.settings.methods[name].source
    if source is not None:
        with_source(here, source)
    found = Sweep(here.settings, here.layout, name)
    for job in found.missing(here.environment, here.gym, key_of_source(here, name)):
        found.add(job, {"key": job.key, "dev_score": 0.5, "metric": "ACC"})


def with_source(here, name):
    """Record a source model, without training."""
    here.layout.source_record(name).parent.mkdir(parents=True, exist_ok=True)
    write_json(here.layout.source_record(name), {
        "key": source_key(here.settings, name, here.environment, here.gym),
        "question": source_question(here.settings, name),
        "rows": {task: source_data_key(here.gym, task) for task in here.settings.gym.sources},
        "dev_mean_score": 0.5, "steps": 4, "seconds": 60.0,
        "tasks": {"topic": {"dev_score": 0.5}},
    })  # fmt: skip


def fill(project, **scores):
    """Record tuning and cells of methods, without training; a score stands for every cell."""
    fill_under(place(project), **scores)
    return project


def fill_under(here, **scores):
    for name, value in scores.items():
        tuned(here, name)
        path = here.layout.cells(name)
        for job in cell_jobs(here, name):
            add_cell(path, name, job.setup, (job.target, job.seed), made(here, job, value))


def made(here, job, score, data=None):
    data = data or data_key(here.gym, job.target, job.seed)
    return Cell(
        key=cell_key(job.setup, data, job.seed), data=data, score=score, dev_score=score,
        best_step=2, steps=4, num_trainable=9, adapt_seconds=1.0, seconds=2.0, code="c0de",
        resamples=tuple(round(score / RESAMPLE_UNIT) + i for i in range(5)),
    )  # fmt: skip


def test_the_table_has_every_score_and_the_figures_that_follow(project):
    table = write_transfer(fill(project, **SCORES))
    assert read_json(project.transfer) == table
    dpf = table["methods"]["dpf"]
    assert dpf["scores"] == {task: {"13": 0.6, "21": 0.6} for task in ("mood", "pick")}
    assert dpf["complete"]
    assert dpf["ptg"]["mean_ratio"] == pytest.approx(1.2)
    assert dpf["ptg"]["ci95"] == pytest.approx([1.2, 1.2])
    assert (dpf["ptg"]["share_below"], dpf["ptg"]["share_hurt"]) == (0, 0)
    assert table["methods"]["heads_only"]["ptg"]["share_hurt"] == 1
    assert table["methods"]["single_task"]["ptg"]["mean_ratio"] == 1


def test_the_challenger_stands_beside_every_other_method(project):
    against = write_transfer(fill(project, **SCORES))["against"]
    assert against.keys() == {"single_task", "spot", "heads_only"}
    assert against["spot"]["gain"]["mean_ratio"] == pytest.approx(1.5)


def test_a_target_that_is_left_out_counts_in_no_figure(project):
    fill(project, **SCORES)
    found = read_cells(project.cells("dpf"))
    for where, cell in found.cells.items():
        if where[0] == "pick":
            low = dataclasses.replace(cell, score=0.1)
            add_cell(project.cells("dpf"), "dpf", found.setup, where, low)
    whole, part = build_transfer(project), build_transfer(project, without=["pick"])
    assert whole["methods"]["dpf"]["ptg"]["mean_ratio"] == pytest.approx((1.2 + 0.2) / 2)
    assert part["methods"]["dpf"]["ptg"]["mean_ratio"] == pytest.approx(1.2)
    assert part["methods"]["dpf"]["scores"].keys() == part["targets"].keys() == {"mood"}
    assert part["against"]["spot"]["gain"]["mean_ratio"] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("without", "says"),
    [(["pik"], "got 'pik'.*pick"), (["pick", "mood"], "got none but those left out: pick, mood")],
)
def test_targets_that_cannot_be_left_out_are_refused(project, without, says):
    with pytest.raises(ConfigError, match=says):
        build_transfer(fill(project, **SCORES), without=without)


def test_the_table_says_how_each_method_was_set_and_made(project):
    table = write_transfer(fill(project, **SCORES))
    assert table["methods"]["dpf"]["setting"] == PARAMS["methods"]["dpf"]["sweep"][0]
    assert table["methods"]["dpf"]["num_trainable"] == 9
    assert len(table["made_with"]["torch"]) == len(table["made_with"]["backbone_sha256"]) == 1
    assert len(table["made_with"]["gym_manifest_sha256"]) == 64
    assert table["made_with"]["code"] == ["c0de"]


def drop(project, name, *places):
    """Write a method's cells anew, without some."""
    found = read_cells(project.cells(name))
    project.cells(name).unlink()
    for where, cell in found.cells.items():
        if where not in places:
            add_cell(project.cells(name), name, found.setup, where, cell)


def test_a_method_that_lacks_a_cell_is_listed_with_what_it_has_and_no_gain(project):
    drop(fill(project, **SCORES), "spot", ("pick", 21))
    spot = build_transfer(project)["methods"]["spot"]
    assert spot["scores"]["pick"] == {"13": 0.4}
    assert (spot["complete"], spot["ptg"], spot["targets"]) == (False, None, None)
    assert spot["why"] == "1 of 4 cells are missing"


def test_without_all_cells_of_the_baseline_there_is_no_gain_at_all(project):
    drop(fill(project, **SCORES), "single_task", ("mood", 13))
    methods = build_transfer(project)["methods"]
    assert {method["ptg"] for method in methods.values()} == {None}
    assert {name for name, method in methods.items() if not method["complete"]} == {"single_task"}
    assert methods["dpf"]["why"] == "single_task: 1 of 4 cells are missing"


def test_a_method_that_was_not_tuned_is_listed_without_scores(project):
    table = build_transfer(fill(project, dpf=0.6, single_task=0.5))
    assert table["methods"]["spot"]["why"] == "not tuned"
    assert table["methods"]["spot"]["scores"] == {"mood": {}, "pick": {}}
    assert table["methods"]["dpf"]["complete"]


def test_a_baseline_without_the_record_of_its_tuning_is_refused(project):
    fill(project, **SCORES)
    project.tuning_record("single_task").unlink()
    with pytest.raises(
        ConfigError, match=r"got none \(single_task, .*dpf science tune single_task"
    ):
        write_transfer(project)
    assert not project.transfer.exists()


def test_cells_without_the_record_of_their_tuning_are_refused(project):
    fill(project, **SCORES)
    project.tuning_record("spot").unlink()
    with pytest.raises(ConfigError, match=r"got none \(spot, .*dpf science tune spot"):
        build_transfer(project)


def test_cells_of_other_settings_count_as_missing(project, backbone_folder):
    fill(project, **SCORES)
    write_params(project, backbone_folder, gain__num_resamples=6)
    for name in SCORES:
        tuned(place(project), name)
    assert {m["why"] for m in build_transfer(project)["methods"].values()} == {
        "4 of 4 cells are missing"
    }


def test_scores_on_other_rows_than_the_baselines_are_not_compared(project):
    fill(project, **SCORES)
    here = place(project)
    job = cell_jobs(here, "spot")[0]
    cell = made(here, job, 0.4, "other rows")
    add_cell(project.cells("spot"), "spot", job.setup, (job.target, job.seed), cell)
    spot = build_transfer(project)["methods"]["spot"]
    assert (spot["complete"], spot["ptg"]) == (False, None)
    assert spot["why"] == "1 of 4 cells are missing"


def change(path, *keys, value):
    """Replace a value in a record."""
    record = inner = read_json(path)
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    write_json(path, record)


def missing(project):
    found = status(project)
    return {name for name, method in found.items() if method["cells"] < method["of"]}


@pytest.mark.parametrize(
    ("keys", "stale"),
    [
        (("targets", "mood", "data", "13"), set(SCORES)),  # tuned on these
        (("targets", "pick", "data", "21"), set(SCORES)),
        (("sources", "topic", "data"), {"dpf", "spot"}),
    ],
)
def test_cells_of_other_rows_than_the_checked_ones_count_as_missing(project, keys, stale):
    fill(project, **SCORES)
    assert missing(project) == set()
    change(project.protocol, *keys, value="others")
    assert missing(project) == stale


def test_cells_of_another_source_model_than_the_recorded_one_count_as_missing(project):
    fill(project, **SCORES)
    change(project.source_record("dpf"), "key", value="another")
    assert missing(project) == {"dpf"}


def test_rows_that_were_checked_with_other_limits_are_refused(project, backbone_folder):
    fill(project, **SCORES)
    write_params(project, backbone_folder, gym__max_leak_fraction=0.1)
    with pytest.raises(ConfigError, match=r"seeds and limits, got a record of others"):
        build_transfer(project)


@pytest.mark.parametrize("part", ["asked", "targets", "sources"])
def test_a_record_of_rows_without_a_part_is_refused(project, part):
    fill(project, **SCORES)
    write_json(project.protocol, {**read_json(project.protocol), part: {}})
    with pytest.raises(ConfigError, match=r"form of this version, got KeyError.*science check"):
        build_transfer(project)


def test_correlations_are_moved_before_a_ratio_is_taken(project):
    fill(project, dpf=0.2, single_task=0.0)
    record = read_json(project.protocol)
    record["targets"]["mood"]["metric"] = "Matthew-Correlation"
    write_json(project.protocol, record)
    targets = build_transfer(project)["methods"]["dpf"]["targets"]
    assert targets["mood"]["ratio"] == pytest.approx(0.6 / 0.5)
    assert targets["pick"] == targets["pick"] | {"is_floored": True, "ratio": pytest.approx(4)}


def test_the_rows_must_have_been_checked(project):
    fill(project, **SCORES)
    project.protocol.unlink()
    with pytest.raises(ConfigError, match=r"got no record .*Run: dpf science check"):
        build_transfer(project)


def test_the_table_in_words_has_a_line_a_method(project):
    fill(project, dpf=0.6, single_task=0.5)
    lines = describe(build_transfer(project)).splitlines()
    assert lines[1].split()[:2] == ["dpf", "1.200"]
    assert lines[4] == "spot         not tuned"


def test_the_status_counts_cells_that_follow_from_the_settings(project):
    fill(project, dpf=0.6, single_task=0.5)
    drop(project, "dpf", ("pick", 21))
    found = status(project)
    assert found["dpf"] == {"tuned": True, "cells": 3, "of": 4}
    assert found["spot"] == {"tuned": False, "cells": 0, "of": 4}
    assert describe_status(found).splitlines()[-1].split() == ["all", "7", "of", "16"]


def test_the_table_needs_no_rows(project):
    fill(project, **SCORES)
    before = build_transfer(project)
    project.gym.rename(project.gym.with_name("gone"))
    assert build_transfer(project) == before


def test_a_target_that_left_the_set_is_not_in_the_table(project, backbone_folder):
    fill(project, dpf=0.6, single_task=0.5)
    write_params(project, backbone_folder, gym__targets=["mood"])
    place(project)
    assert build_transfer(project)["methods"]["dpf"]["targets"].keys() == {"mood"}


def test_equal_records_give_equal_bytes(project):
    write_transfer(fill(project, **SCORES))
    first = project.transfer.read_bytes()
    write_transfer(project)
    assert project.transfer.read_bytes() == first


@pytest.mark.parametrize("part", ["backbone_sha256", "torch", "transformers"])
def test_between_different_backbones_or_libraries_there_is_no_gain(project, part):
    fill(project, single_task=0.5)
    here = place(project)
    other = dataclasses.replace(here.environment, **{part: "other"})
    fill_under(dataclasses.replace(here, environment=other), dpf=0.6)
    table = build_transfer(project)
    assert table["methods"]["dpf"]["complete"]
    assert table["methods"]["dpf"]["ptg"] is None
    assert table["methods"]["dpf"]["why"] == (
        "made with another backbone, or other libraries, than single_task"
    )
