"""The whole chain on a tiny random backbone and two tasks, by `dvc repro` and then by Dagster."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from pipeline.automation import NEW_TASKS_TAG, RETRAIN, new_tasks
from pipeline.definitions import build_definitions
from pipeline.resources import DvcRunner
from tests import tiny

ROOT = Path(__file__).parents[2]
CHANGES = {
    "ingest": {"tasks": ["sentence_acceptability"], "jobs": 1},
    "train": {
        "max_steps": 4, "eval_every_steps": 2, "checkpoint_every_steps": 2, "log_every_steps": 1,
        "batch_size": 8, "max_train_rows": 40, "dev_rows": 8, "initial_loss_rows": 4,
    },
    "evaluate": {"max_test_rows": 20},
    "model": {"prompt_length": 2, "pool_size": 3},
}  # fmt: skip


def run_dvc(project: Path, *arguments: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=project,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a copy of this project with tiny settings, after its first `dvc repro`."""
    folder = tmp_path_factory.mktemp("chain") / "project"
    ignored = shutil.ignore_patterns("__pycache__", "dvc.yaml", "dvc.lock")  # of the science
    for package in ("dpf_core", "pipeline"):
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "data" / "incoming").mkdir(parents=True)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for section, changes in CHANGES.items():
        params[section] |= changes
    params["backbone"] |= {"name": "tiny_backbone", "precision": "fp32", "max_length": 32}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    tiny.backbone_folder(folder / "tiny_backbone", max_position_embeddings=64)
    run_dvc(folder, "init", "--no-scm", "--quiet")
    run_dvc(folder, "repro", "--quiet")
    return folder


def read(project: Path, name: str):
    return json.loads((project / "data" / name).read_text())


def test_every_stage_leaves_its_outputs_and_a_second_run_does_nothing(project):
    assert "Data and pipelines are up to date" in run_dvc(project, "status")
    assert (project / "data" / "report" / "index.html").stat().st_size > 10_000
    assert read(project, "metrics/export.json")["max_abs_diff"] <= 1e-4
    checkpoints = project / ".checkpoints" / "train"
    assert [path.name for path in checkpoints.iterdir()] == [".lock"]


def test_a_new_task_reaches_pool_metrics_and_onnx_through_one_sensor_tick(project, monkeypatch):
    tiny.gym(project / "made", {"mood": tiny.TASKS["mood"]})
    shutil.move(project / "made" / "incoming" / "mood", project / "data" / "incoming" / "mood")
    monkeypatch.chdir(project)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(
            instance=instance, resources={"dvc": DvcRunner(project_dir=str(project))}
        )
        tick = new_tasks(context)
        assert [request.tags[NEW_TASKS_TAG] for request in tick.run_requests] == ["mood"]
        job = build_definitions(project).resolve_job_def(RETRAIN)
        assert job.execute_in_process(instance=instance).success
    names = ["mood", "sentence_acceptability"]
    assert [task["name"] for task in read(project, "pool/config.json")["tasks"]] == names
    assert [task["name"] for task in read(project, "metrics/evaluate.json")["tasks"]] == names
    assert [task["name"] for task in read(project, "onnx/manifest.json")["tasks"]] == names
    assert "Data and pipelines are up to date" in run_dvc(project, "status")


def test_outputs_made_again_by_dvc_are_those_that_dagster_made(project):
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    for name in ("gym", "validation", "pool", "plots", "onnx", "report"):
        shutil.rmtree(project / "data" / name)
    run_dvc(project, "repro", "--quiet", "--no-run-cache", "--force")
    assert yaml.safe_load((project / "dvc.lock").read_text()) == lock
