import shutil
from pathlib import Path

import dagster as dg
import pytest

from dpf_core.errors import ConfigError
from pipeline import dvc_project
from pipeline.assets import build_assets
from pipeline.automation import RETRAIN
from pipeline.definitions import build_definitions
from pipeline.lock_watch import dvc_lock
from pipeline.resources import DvcRunner
from tests.pipeline.toy_project import run_dvc, write_toy_project


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path.cwd()))
        yield reproduced(tmp_path_factory)


def reproduced(tmp_path_factory):
    root = write_toy_project(tmp_path_factory.mktemp("toy"))
    run_dvc(root, "init", "--no-scm", "-q")
    run_dvc(root, "repro")
    return root


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def tick(root, instance, cursor=None, definitions=None):
    runner = DvcRunner(project_dir=str(root))
    with dg.build_sensor_context(
        instance, cursor, resources={"dvc": runner}, definitions=definitions
    ) as context:
        return dvc_lock(context)


def test_what_dvc_ran_is_reported_once_with_its_checks(toy, instance):
    first = tick(toy, instance)
    names = [event.asset_key.path[-1] for event in first.asset_events]
    assert names == ["ingest", "validate", "validate", "validate", "train", "train"]
    assert first.asset_events[2].check_name == "task_first"
    assert first.run_requests == []
    assert tick(toy, instance, first.cursor).asset_events == []


def test_a_reported_asset_has_the_versions_that_a_run_records(toy, instance):
    dagster = dg.materialize(
        build_assets(toy, ["first"]), resources={"dvc": DvcRunner(project_dir=str(toy))}
    )
    for event in tick(toy, instance).asset_events:
        if isinstance(event, dg.AssetMaterialization):
            (ran,) = dagster.asset_materializations_for_node(event.asset_key.path[-1])
            assert provenance(event.tags) == provenance(ran.tags)


def provenance(tags):
    wanted = ("dagster/data_version", "dagster/code_version", "dagster/input_data_version/")
    return {key: value for key, value in tags.items() if key.startswith(wanted)}


def test_what_dagster_ran_is_not_reported_again(toy, instance):
    for event in tick(toy, instance).asset_events:
        instance.report_runless_asset_event(event)
    result = tick(toy, instance)
    assert result.asset_events == []
    assert "Dagster itself" in result.skip_reason.skip_message


def test_a_running_stage_is_waited_for(toy, instance):
    job = build_definitions(toy).resolve_job_def(RETRAIN)
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert "a run is writing" in tick(toy, instance).skip_reason.skip_message


def test_an_asset_that_read_an_earlier_version_is_reported_as_such(toy, instance):
    lock = toy / "dvc.lock"
    text, made = lock.read_text(), dvc_project.read_lock(toy)["ingest"]["outs"][0]["md5"]
    lock.write_text(text.replace(f"md5: {made}", f"md5: {'0' * 32}.dir", 1))
    try:
        events = tick(toy, instance).asset_events
    finally:
        lock.write_text(text)
    read = {
        event.asset_key.path[-1]: event.tags["dagster/input_data_version/ingest"]
        for event in events
        if isinstance(event, dg.AssetMaterialization) and event.asset_key.path[-1] != "ingest"
    }
    assert read == {"validate": "an earlier one", "train": "an earlier one"}
    for event in events:
        instance.report_runless_asset_event(event)
    again = [event.asset_key.path[-1] for event in tick(toy, instance).asset_events]
    assert set(again) == {"ingest", "validate", "train"}  # made again, as these had read it


def test_a_clone_with_the_lock_alone_has_made_nothing(toy, tmp_path, instance):
    shutil.copytree(toy, clone := tmp_path / "clone", ignore=shutil.ignore_patterns("gym", "pool"))
    names = [event.asset_key.path[-1] for event in tick(clone, instance).asset_events]
    assert set(names) == {"validate"}  # whose metrics file is in Git


def test_the_check_of_a_task_that_is_gone_becomes_a_warning(toy, instance):
    definitions = dg.Definitions(
        assets=build_assets(toy, ["first", "gone"]),
        resources={"dvc": DvcRunner(project_dir=str(toy))},
    )
    found = {
        event.check_name: event.passed
        for event in tick(toy, instance, definitions=definitions).asset_events
        if isinstance(event, dg.AssetCheckEvaluation)
    }
    assert found == {"task_first": True, "task_gone": False, "no_warnings": True, "no_alarms": True}


def test_metrics_that_are_not_those_of_the_lock_are_not_shown(toy, instance):
    path = toy / "data/metrics/train.json"
    text = path.read_text()
    path.write_text(text.replace("0.5", "0.9"))
    train = tick(toy, instance).asset_events[-1]
    path.write_text(text)
    assert train.metadata.keys() == {"dvc/ran"}


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\nstages:\n=======\n", "stages: [", "- x"])
def test_a_damaged_lock_is_one_sentence(tmp_path, instance, text):
    write_toy_project(tmp_path)
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(ConfigError, match=r"dvc.lock must be .*Restore it from Git, or finish the"):
        tick(tmp_path, instance)


def test_a_lock_without_stages_reports_nothing(tmp_path, instance):
    write_toy_project(tmp_path)
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages:\n")
    assert not tick(tmp_path, instance).asset_events


@pytest.mark.parametrize("text", ["ingest: [", None])
def test_definitions_load_whatever_the_parameters_are(tmp_path, text):
    path = write_toy_project(tmp_path) / "params.yaml"
    path.unlink() if text is None else path.write_text(text)
    assert build_assets(tmp_path, ["first"])
