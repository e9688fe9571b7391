from types import SimpleNamespace

import numpy as np
import pytest

from dpf_core.errors import ConfigError
from dpf_core.files import read_json, write_json
from pipeline.science import curves
from pipeline.science.curves import build_studies, describe
from pipeline.science.keys import source_data_key, source_question
from pipeline.science.layout import Layout
from pipeline.science.records import add_cell, read_cells
from pipeline.science.studies_file import load_studies
from pipeline.science.study_figures import study_figures
from pipeline.science.studying import plan_of
from pipeline.science.transfer_gain import mean_interval
from tests.pipeline.science.small_science import place, write_studies
from tests.pipeline.science.test_transfer import fill, made, tuned

OWN = Layout()
PROJECTS = [layout for layout in (OWN, *OWN.configurations()) if layout.studies.exists()]
SCORES = {"0.1": 0.4, "0.9": 0.5, "equal": 0.5, "gradnorm": 0.7}


def tell(layout, **changes):
    """Record every cell of every study with one score a point, and the sources, untrained."""
    write_studies(layout, **changes)
    here = place(layout)
    tuned(here, "dpf")
    studies = load_studies(layout.study_params, here.settings)
    for study in studies.studies.values():
        for point in study.points:
            plan = plan_of(here, studies, study, point)
            for job in plan.cells:
                cell = made(here, job, SCORES.get(point.name, 0.6) + 0.01 * (job.seed == 21))
                path = layout.study_cells(study.name, point.name)
                add_cell(path, "dpf", job.setup, (job.target, job.seed), cell)
            tell_source(here, plan)
    return layout


def tell_source(here, plan):
    path = here.layout.study_source(plan.study, plan.point)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {
        "key": plan.source_key, "question": source_question(plan.settings, plan.source),
        "rows": {task: source_data_key(here.gym, task) for task in plan.settings.gym.sources},
        "dev_mean_score": 0.55, "steps": 3, "seconds": 60.0, "tasks": {},
    })  # fmt: skip


@pytest.mark.parametrize("layout", PROJECTS, ids=lambda layout: layout.studies.as_posix())
def test_the_summaries_in_git_are_what_the_records_say(layout):
    assert build_studies(layout) == read_json(layout.studies)


@pytest.fixture
def told(studied):
    return tell(studied)


def test_a_point_has_its_mean_score_and_its_distance_from_the_default(told):
    summary = curves.write_studies(told)
    assert read_json(told.studies) == summary
    low, default = (summary["studies"]["temperature"]["points"][name] for name in ("0.1", "0.9"))
    assert low["score"] == pytest.approx(0.405)
    assert low["difference"] == pytest.approx(-0.1)
    assert low["difference_ci95"] == pytest.approx([-0.1, -0.1])
    assert default["difference"] == 0
    assert (low["source_dev"], low["source_steps"], low["num_cells"], low["of"]) == (0.55, 3, 2, 2)


def test_the_baseline_of_the_table_stands_beside_where_its_cells_are_there(told):
    assert build_studies(told)["studies"]["weights"]["baseline_score"] is None
    fill(told, single_task=0.3)
    study = build_studies(told)["studies"]["weights"]
    assert study["baseline_score"] == pytest.approx(0.3)
    assert study["points"]["gradnorm"]["over_baseline"] == pytest.approx(0.405)


def test_a_study_with_targets_of_its_own_has_cells_of_them_alone(studied):
    told = tell(studied, studies__weights__targets=["pick", "mood"])
    found = build_studies(told)["studies"]
    assert [found[name]["targets"] for name in found] == [["mood"], ["pick", "mood"]]
    assert [found[name]["points"][found[name]["default"]]["of"] for name in found] == [2, 4]
    cells = read_json(told.study_cells("weights", "gradnorm"))["cells"]
    assert cells.keys() == {"mood", "pick"}


def test_a_point_that_lacks_a_cell_has_no_figure(told):
    told.study_cells("temperature", "0.1").unlink()
    points = build_studies(told)["studies"]["temperature"]["points"]
    assert (points["0.1"]["num_cells"], points["0.1"]["score"]) == (0, None)
    assert points["0.9"]["score"] == pytest.approx(0.505)


def test_without_its_default_a_study_has_scores_and_no_differences(told):
    told.study_source("temperature", "0.9").unlink()
    point = build_studies(told)["studies"]["temperature"]["points"]["0.1"]
    assert point["score"] == pytest.approx(0.405)
    assert point["difference"] is None


def test_cells_of_other_settings_do_not_count(told):
    write_studies(told, source_training={"max_steps": 9})
    points = build_studies(told)["studies"]["weights"]["points"]
    assert {point["num_cells"] for point in points.values()} == {0}


def test_a_study_of_a_method_that_was_not_tuned_has_nothing(studied):
    place(studied)
    points = build_studies(studied)["studies"]["weights"]["points"]
    assert {point["num_cells"] for point in points.values()} == {0}


def test_rows_that_were_not_checked_are_refused(studied):
    with pytest.raises(ConfigError, match="Run: dpf science check"):
        build_studies(studied)


def test_the_summary_has_a_line_a_point(told):
    lines = describe(build_studies(told)["studies"]).splitlines()
    assert lines[0] == "temperature: Temperature"
    assert lines[1].split() == ["0.1", "2", "of", "2", "0.405", "-0.100", "-0.100", "to", "-0.100"]
    assert lines[2].split() == ["0.9", "2", "of", "2", "0.505", "default"]


def test_whole_studies_are_drawn_and_others_are_not(told, tmp_path):
    drawn = study_figures(build_studies(told), tmp_path / "a")
    assert {name: path.name for name, path in drawn.items()} == {
        "temperature": "study-temperature.png", "weights": "study-weights.png",
    }  # fmt: skip
    again = study_figures(build_studies(told), tmp_path / "b")
    assert [path.read_bytes() for path in drawn.values()] == [
        path.read_bytes() for path in again.values()
    ]
    told.study_cells("weights", "gradnorm").unlink()
    assert study_figures(build_studies(told), tmp_path / "c").keys() == {"temperature"}


def test_an_interval_holds_the_mean_and_is_that_of_targets_and_seeds():
    values = np.random.default_rng(1).normal(0.5, 0.1, size=(8, 3))
    low, high = mean_interval(values, num_draws=4000, draw_seed=1)
    assert low < values.mean() < high
    spread = values.mean(axis=1).std() / 8**0.5
    assert 2 * 1.96 * spread < high - low < 2 * 1.96 * spread * 1.6  # seeds add to targets
    assert mean_interval(np.full((4, 3), 0.5), num_draws=100, draw_seed=1) == (0.5, 0.5)


def test_points_whose_rates_were_chosen_on_other_rows_do_not_count(told):
    path = told.tuning_record("dpf")
    record = read_json(path)
    write_json(path, record | {"origin": record["origin"] | {"data": {"mood": "other rows"}}})
    points = build_studies(told)["studies"]["weights"]["points"]
    assert {point["num_cells"] for point in points.values()} == {0}


def test_points_made_with_other_libraries_have_no_difference(told):
    here, path = place(told), told.study_cells("temperature", "0.1")
    found = read_cells(path)
    path.unlink()
    setup = found.setup | {"torch": "other"}
    for target, seed in found.cells:
        job = SimpleNamespace(setup=setup, target=target, seed=seed)
        add_cell(path, "dpf", setup, (target, seed), made(here, job, 0.4))
    point = build_studies(told)["studies"]["temperature"]["points"]["0.1"]
    assert (point["score"], point["difference"]) == (pytest.approx(0.4), None)
