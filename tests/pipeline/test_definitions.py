import dagster as dg
import pytest

from pipeline.automation import RETRAIN, WORKSPACE_TAG
from pipeline.definitions import build_definitions
from tests.pipeline.toy_project import FakeDvcRunner, write_toy_project


@pytest.fixture
def toy(tmp_path):
    return write_toy_project(tmp_path)


def test_the_definitions_of_a_project_load(toy):
    dg.Definitions.validate_loadable(build_definitions(toy))


def test_the_job_runs_every_stage_and_holds_the_workspace(toy):
    job = build_definitions(toy).resolve_job_def(RETRAIN)
    assert {key.path[-1] for key in job.asset_layer.selected_asset_keys} == {
        "ingest",
        "validate",
        "train",
    }
    assert WORKSPACE_TAG.items() <= job.tags.items()


def test_a_task_in_the_incoming_directory_has_a_check(toy):
    keys = build_definitions(toy).resolve_asset_graph().asset_check_keys
    assert dg.AssetCheckKey(dg.AssetKey("validate"), "task_first") in keys


def test_the_job_runs_with_another_runner(toy):
    defs = build_definitions(toy)
    job = defs.resolve_job_def(RETRAIN)
    good = {"name": "first", "passed": True, "critical": [], "warnings": [], "rows": {}}
    metrics = {"validate": {"tasks": [good]}, "train": {"alarms": []}}
    fake = FakeDvcRunner(project_dir=str(toy), metrics=metrics)
    result = job.execute_in_process(resources={"dvc": fake}, raise_on_error=False)
    assert result.success


def test_schedule_waits_for_its_owner_and_sensor_does_not(toy):
    repository = build_definitions(toy).get_repository_def()
    assert repository.get_schedule_def("weekly_retrain").default_status.value == "STOPPED"
    assert repository.get_sensor_def("new_tasks").default_status.value == "RUNNING"


def test_string_selections_parse():
    # dvc's own pins bring an antlr with which every string selection dies with a TypeError.
    assert dg.AssetSelection.from_string("*") == dg.AssetSelection.all()
