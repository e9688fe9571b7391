import subprocess
from pathlib import Path

import pytest

from pipeline.dvc_project import read_stages
from pipeline.science.layout import WORK
from tests.architecture import science_graph

PATHS = (science_graph.GRAPH, science_graph.ABLATIONS)
GRAPHS = {path: science_graph.graph(path) for path in PATHS}
STAGES = {name: stage for graph in GRAPHS.values() for name, stage in graph.items()}
CURE = "Run python -m tests.architecture.science_graph."


def test_stages_are_the_modules_of_the_science():
    scripts = {path.stem for path in science_graph.STAGES.glob("[a-z]*.py")}
    assert STAGES.keys() == scripts
    assert len(STAGES) == sum(map(len, GRAPHS.values()))


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_runs_the_module_of_its_name(name):
    arguments = f" {science_graph.ITEM}" if name in science_graph.LISTS else ""
    assert STAGES[name]["cmd"] == f"python -m pipeline.science.stages.{name}{arguments}"


@pytest.mark.parametrize("path", GRAPHS, ids=str)
def test_stages_run_in_the_projects_folder(path):
    folders = {stage["wdir"] for stage in GRAPHS[path].values()}
    assert folders == {science_graph.project_folder(path)}


def test_the_table_needs_no_record_of_an_ablation():
    table, ablations = GRAPHS.values()
    made = {out for stage in ablations.values() for out in science_graph.written(stage)}
    assert made.isdisjoint(dep for stage in table.values() for dep in stage["deps"])


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_the_records_it_reads_and_on_its_modules(name):
    assert STAGES[name]["deps"] == science_graph.deps(name), CURE


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_writes_the_records_of_every_source_and_method(name):
    assert science_graph.written(STAGES[name]) == science_graph.records(name), CURE


@pytest.mark.parametrize(("name", "each"), science_graph.LISTS.items())
def test_every_study_and_every_configuration_with_studies_has_its_stage(name, each):
    assert science_graph.items(name) == each(), CURE


@pytest.mark.parametrize("name", STAGES)
def test_dvc_keeps_no_copy_of_a_record_and_never_removes_one_that_a_stage_adds_to(name):
    for entry in STAGES[name].get("outs", []):
        assert next(iter(entry.values())) == {"cache": False, "persist": True}
    for entry in STAGES[name].get("metrics", []):
        assert next(iter(entry.values())) == {"cache": False}


def test_the_newcomers_graph_has_no_part_of_the_science():
    ours = {path for name in STAGES for path in science_graph.written(STAGES[name])}
    theirs = {out for stage in read_stages(Path()).values() for out in stage.outs}
    overlapping = {
        (a, b)
        for a in ours
        for b in theirs
        if Path(a).is_relative_to(b) or Path(b).is_relative_to(a)
    }
    assert overlapping == set()


def test_git_and_dvc_ignore_rows_and_models_and_git_alone_holds_the_records():
    if not Path(".git").exists():
        pytest.skip("needs the Git repository")
    ours = [path for name in STAGES for path in science_graph.written(STAGES[name])]
    work = (WORK / "gym").as_posix()
    command = ["git", "check-ignore", work, *ours]
    ignored = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    assert ignored == [work]
    assert WORK.as_posix() in Path(".dvcignore").read_text().split()
