import shutil

import pytest

from dpf_core.errors import ConfigError, ProcessError
from dpf_core.files import write_json
from pipeline.science.lock import alone
from pipeline.science.one_cell import check_cell, compare, describe
from pipeline.science.records import add_cell, read_cells
from pipeline.science.running import run_cells, tune
from tests.pipeline.science.small_science import place
from tests.pipeline.science.test_transfer import made


@pytest.fixture
def here(project):
    here = place(project)
    tune(here, ["heads_only", "dpf"], num_processes=1)
    return here


def test_a_cell_that_is_run_again_gives_the_recorded_score(here):
    run_cells(here, ["dpf"], num_processes=1)
    result = compare(here, "dpf", "mood", 21)
    assert result["is_equal"]
    assert result["is_same_setup"]
    assert describe(result).endswith(", equal")


def test_a_cell_of_which_nothing_is_recorded_says_so(here):
    result = compare(here, "heads_only", "mood", 13)
    assert (result["recorded_score"], result["is_equal"]) == (None, False)
    assert describe(result).endswith("recorded: nothing")


def test_a_recorded_score_that_does_not_come_again_is_shown(here, project):
    run_cells(here, ["heads_only"], num_processes=1)
    setup = read_cells(project.cells("heads_only")).setup
    job = type("Job", (), {"setup": setup, "target": "mood", "seed": 13})
    add_cell(
        project.cells("heads_only"),
        "heads_only",
        setup,
        ("mood", 13),
        made(here, job, 0.123, "rows"),
    )
    result = compare(here, "heads_only", "mood", 13)
    assert not result["is_equal"]
    assert "recorded: 0.123000, NOT EQUAL, of other settings, rows" in describe(result)


def test_another_score_of_the_same_settings_is_laid_to_code_or_processor(here):
    run_cells(here, ["heads_only"], num_processes=1)
    result = compare(here, "heads_only", "mood", 13)
    said = describe(result | {"recorded_score": 0.123, "is_equal": False})
    assert "recorded: 0.123000, NOT EQUAL, of the same settings: by other code, or on" in said


def test_nothing_is_recorded_by_it(here, project):
    write_json(project.source_record("dpf"), {"key": "of an earlier run"})
    shutil.rmtree(project.work / "sources")
    before = {path: path.read_bytes() for path in project.metrics.rglob("*.json")}
    compare(here, "dpf", "mood", 13)
    assert {path: path.read_bytes() for path in project.metrics.rglob("*.json")} == before


@pytest.mark.parametrize(
    ("name", "task", "seed", "says"),
    [
        ("dfp", "mood", 13, r"got 'dfp'. Did you mean 'dpf'\?"),
        ("dpf", "topic", 13, "target must be one of mood, pick, got 'topic'"),
        ("dpf", "mood", 7, "seed must be one of 13, 21, got 7"),
        ("spot", "mood", 13, "must have the record of its tuning"),
    ],
)
def test_what_is_no_cell_is_refused(here, name, task, seed, says):
    with pytest.raises(ConfigError, match=says):
        check_cell(here.settings, here.layout, name, task, seed)


def test_a_missing_source_model_is_not_trained_beside_another_run(here, project):
    with alone(project):
        compare(here, "dpf", "mood", 13)  # its source is there
        shutil.rmtree(project.work / "sources")
        with pytest.raises(ProcessError, match="another one under way"):
            compare(here, "dpf", "mood", 13)
