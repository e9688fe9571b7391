import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline import paths
from pipeline.dvc_project import read_stages
from tests.architecture.import_graph import closure, code_deps, imported_names, param_sections

ROOT = Path()
STAGES = read_stages(ROOT)
SCRIPTS = {path.stem: path for path in Path("pipeline/stages").glob("[a-z]*.py")}


def test_stages_are_the_modules_of_pipeline_stages():
    assert STAGES.keys() == SCRIPTS.keys()


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_stage_runs_the_module_of_its_name(stage):
    assert stage.cmd == f"python -m pipeline.stages.{stage.name}"


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_stage_depends_on_every_file_that_its_imports_reach(stage):
    expected = code_deps(SCRIPTS[stage.name])
    missing = sorted(expected - set(stage.code_deps))
    needless = sorted(set(stage.code_deps) - expected)
    cure = "Run python -m tests.architecture.import_graph."
    assert (missing, needless) == ([], []), f"deps of {stage.name} in dvc.yaml. {cure}"


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_stage_reports_to_dagster(stage):
    assert "pipeline.pipes.report" in imported_names(SCRIPTS[stage.name])


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_no_stage_imports_what_the_import_graph_cannot_see(stage):
    dynamic = {"importlib.import_module", "importlib", "runpy"}
    modules = closure(SCRIPTS[stage.name]) - {Path("dpf_core/__init__.py")}  # see test_imports
    assert [m for m in modules if dynamic & set(imported_names(m))] == []


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_stage_lists_exactly_the_sections_that_it_reads(stage):
    assert set(stage.params) == param_sections(SCRIPTS[stage.name])


def test_every_section_of_the_parameters_belongs_to_a_stage():
    sections = yaml.safe_load(Path("params.yaml").read_text()).keys()
    assert {section for stage in STAGES.values() for section in stage.params} == sections


def test_every_data_dependency_is_made_by_a_stage_but_the_incoming_tasks():
    made = [out for stage in STAGES.values() for out in stage.outs]
    needed = {dep for stage in STAGES.values() for dep in stage.deps if dep.startswith("data/")}
    unmade = {d for d in needed if not any(Path(d).is_relative_to(out) for out in made)}
    assert unmade == {paths.INCOMING.as_posix()}


def test_checkpoints_lie_outside_every_out_that_dvc_deletes():
    outs = [out for stage in STAGES.values() for out in stage.outs]
    for folder in (paths.TRAIN_CHECKPOINTS, paths.VALIDATION_MEMORY):
        assert not any(folder.is_relative_to(out) for out in outs)


def test_git_holds_the_metrics_and_ignores_every_other_output():
    if not Path(".git").exists():
        pytest.skip("needs the Git repository")
    metrics = {metric for stage in STAGES.values() for metric in stage.metrics}
    outs = {out for stage in STAGES.values() for out in stage.outs}
    command = ["git", "check-ignore", *sorted(outs)]
    ignored = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    assert set(ignored) == outs - metrics
