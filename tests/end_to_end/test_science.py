"""The science on a tiny backbone: `dvc repro` from nothing, again, and a clone without rows."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.science.layout import Layout
from pipeline.science.settings import PARAMS
from tests import tiny
from tests.architecture.science_graph import ABLATIONS, GRAPH, LISTS, REFERENCES, graph, written
from tests.end_to_end.test_chain import ROOT
from tests.pipeline.science import small_science

pytestmark = pytest.mark.slow
METHODS = ("dpf", "single_task")


def run_dvc(project: Path, *arguments: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    environment.pop("DPF_MIRROR", None)
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def small_graph() -> str:
    """Return the project's graph without the sources and methods that the tiny science lacks."""
    stages = graph(GRAPH)
    absent = {
        path
        for stage in stages.values()
        for path in written(stage)
        if Path(path).parent.name in ("sources", "tuning", "cells")
        and Path(path).stem not in METHODS
    }
    absent.add(REFERENCES.as_posix())
    for stage in stages.values():
        stage["deps"] = [dep for dep in stage["deps"] if dep not in absent]
        if "outs" in stage:
            stage["outs"] = [out for out in stage["outs"] if next(iter(out)) not in absent]
    return yaml.safe_dump({"stages": stages})


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a project of two methods, after its first `dvc repro`."""
    folder = tmp_path_factory.mktemp("science") / "project"
    ignored = shutil.ignore_patterns("__pycache__", "dvc.lock", ABLATIONS.parent.name)
    shutil.copytree(ROOT / "pipeline" / "science", folder / "pipeline" / "science", ignore=ignored)
    shutil.copy(ROOT / ".dvcignore", folder)
    tiny.backbone_folder(folder / "tiny_backbone")
    values = small_science.params(Path("tiny_backbone"))
    for part in ("sources", "methods"):
        values[part] = {name: values[part][name] for name in METHODS}
    layout = Layout.below(folder)
    layout.params.write_text(yaml.safe_dump(values))
    (folder / GRAPH).write_text(small_graph())
    gym = tiny.gym(tmp_path_factory.mktemp("rows"), small_science.TASKS)
    shutil.copytree(gym, layout.gym)
    run_dvc(folder, "init", "--no-scm", "--quiet")
    run_dvc(folder, "repro", str(GRAPH))
    return folder


def test_one_command_makes_the_table_and_a_second_run_finds_nothing_to_do(project):
    table = json.loads((project / "data/metrics/transfer.json").read_text())
    assert {name for name, method in table["methods"].items() if method["ptg"]} == set(METHODS)
    assert "Data and pipelines are up to date" in run_dvc(project, "repro", str(GRAPH))
    assert (project / GRAPH.with_name("dvc.lock")).is_file()
    assert not (project / "dvc.lock").exists()


def test_dvc_is_content_in_a_clone_that_has_neither_rows_nor_models(project, tmp_path):
    clone = tmp_path / "clone"
    shutil.copytree(project, clone, ignore=shutil.ignore_patterns("tmp", "cache"))
    shutil.rmtree(clone / "data" / "science")
    assert "Data and pipelines are up to date" in run_dvc(clone, "status")


def test_a_stage_that_runs_again_keeps_what_is_recorded(project):
    cells = project / "data/metrics/science/cells/dpf.json"
    before = cells.read_bytes()
    said = run_dvc(project, "repro", "--force", "--single-item", f"{GRAPH}:cells")
    assert "0 cells, 8 were recorded" in said
    assert cells.read_bytes() == before


def test_dvc_reads_the_projects_own_graphs(project, tmp_path):
    clone = tmp_path / "clone"
    shutil.copytree(project, clone, ignore=shutil.ignore_patterns("tmp", "cache"))
    (clone / ABLATIONS).parent.mkdir()
    for path in (GRAPH, ABLATIONS, PARAMS):
        shutil.copy(ROOT / path, clone / path)
    assert _stages(clone, GRAPH) == graph(GRAPH).keys()
    shown = {f"{stage}@{name}" for stage, each in LISTS.items() for name in each()}
    assert _stages(clone, ABLATIONS) == graph(ABLATIONS).keys() - LISTS.keys() | shown


def _stages(project, path):
    lines = run_dvc(project, "stage", "list", str(path)).splitlines()
    return {line.split()[0].partition(":")[2] for line in lines}
