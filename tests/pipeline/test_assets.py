import json

import dagster as dg
import pytest

from pipeline import dvc_project
from pipeline.assets import build_assets
from pipeline.dvc_project import read_stages
from tests.pipeline.toy_project import FakeDvcRunner, write_toy_project

GOOD = {"tasks": [{"name": "a", "passed": True, "critical": [], "warnings": [], "rows": {}}]}
METRICS = {"validate": GOOD, "train": {"dev_mean_score": 0.5, "steps": 3, "alarms": []}}


@pytest.fixture
def toy(tmp_path):
    return write_toy_project(tmp_path)


def materialize(root, *, tasks=("a",), instance=None, metrics=METRICS, failing=""):
    return dg.materialize(
        build_assets(root, tasks),
        resources={"dvc": FakeDvcRunner(project_dir=str(root), metrics=metrics, failing=failing)},
        instance=instance or dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


def test_each_stage_is_an_asset_that_depends_on_the_stages_whose_outs_it_reads(toy):
    graph = {a.key.path[-1]: {d.path[-1] for d in a.dependency_keys} for a in build_assets(toy, ())}
    assert graph == {"ingest": set(), "validate": {"ingest"}, "train": {"ingest", "validate"}}


def test_a_description_is_the_docstring_of_the_script_without_running_it(toy):
    (toy / "ingest.py").write_text('"""What ingest does."""\nraise SystemExit("imported")\n')
    ingest = build_assets(toy, ())[0]
    assert ingest.descriptions_by_key[ingest.key] == "What ingest does."


def test_numbers_of_the_metrics_file_are_numbers_in_the_metadata(toy):
    metadata = materialize(toy).asset_materializations_for_node("train")[0].metadata
    assert metadata["dev_mean_score"] == dg.MetadataValue.float(0.5)
    assert metadata["steps"] == dg.MetadataValue.int(3)
    assert metadata["said"].value == "train"


def test_the_data_version_is_that_of_the_lock(toy):
    event = materialize(toy).asset_materializations_for_node("ingest")[0]
    expected = dvc_project.data_version(dvc_project.read_lock(toy)["ingest"])
    assert event.tags["dagster/data_version"] == expected


@pytest.mark.parametrize(
    ("file", "text"), [("train.py", "pass\n"), ("params.yaml", "ingest: {}\n")]
)
def test_the_code_version_changes_with_a_source_file_and_with_a_parameter(toy, file, text):
    stage = read_stages(toy)["train"]
    before = dvc_project.code_version(toy, stage)
    (toy / file).write_text(text)
    assert dvc_project.code_version(toy, stage) != before


def test_a_failing_stage_fails_its_asset_with_its_last_lines(toy):
    result = materialize(toy, failing="ingest")
    failure = result.failure_data_for_node("ingest").user_failure_data
    assert not result.success
    assert "a sentence that names the cure" in failure.description


def test_a_metrics_file_of_an_earlier_run_gives_no_check_when_the_stage_fails(toy):
    (toy / "data/metrics/validate.json").write_text(json.dumps(GOOD))
    result = materialize(toy, metrics={}, failing="validate")
    assert result.get_asset_check_evaluations() == []


def test_a_task_that_came_after_loading_is_reported_without_a_declared_check(toy):
    instance = dg.DagsterInstance.ephemeral()
    assert materialize(toy, tasks=(), instance=instance).success
    key = dg.AssetCheckKey(dg.AssetKey("validate"), "task_a")
    (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=2)
    assert record.event.asset_check_evaluation.passed


def test_a_declared_task_that_the_gym_lost_is_a_warning_and_the_run_goes_on(toy):
    result = materialize(toy, tasks=["a", "lost"])
    (check,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "task_lost"]
    assert result.success
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_a_plot_of_a_stage_is_shown_inline(toy):
    (toy / "data/gym").mkdir()
    (toy / "data/gym/curve.png").write_bytes(b"png")
    metadata = materialize(toy).asset_materializations_for_node("ingest")[0].metadata
    assert metadata["curve"].value == "![curve](data:image/png;base64,cG5n)"
