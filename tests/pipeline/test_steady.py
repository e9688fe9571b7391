import ast
import shutil
from pathlib import Path

import pytest

from dpf_core.errors import ConfigError
from dpf_core.files import write_json
from pipeline.exclusive import exclusive
from pipeline.stages import train
from pipeline.steady import steady, unchanged
from tests.pipeline.toy_project import write_toy_project

ROOT = Path(__file__).parents[2]


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.chdir(write_toy_project(tmp_path))
    monkeypatch.setenv("DVC_STAGE", "ingest")
    return tmp_path


def add_task(toy):
    (toy / "data/incoming/second").mkdir()
    (toy / "data/incoming/second/train.tsv").write_text("a\tb\n")


CHANGES = {
    r"ingest in params\.yaml": lambda toy: (toy / "params.yaml").write_text("ingest: {seed: 99}\n"),
    r"ingest\.py": lambda toy: (toy / "ingest.py").write_text("# another\n"),
    "data/incoming": add_task,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_stage_whose_inputs_change_while_it_runs_fails_by_their_name(toy, name):
    @steady()
    def stage():
        CHANGES[name](toy)

    with pytest.raises(ConfigError, match=rf"got a change of {name} \(stage ingest\)"):
        stage()


def test_a_stage_is_found_from_wherever_dvc_was_called(toy, monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "../../dvc.yaml:ingest")
    with pytest.raises(ConfigError, match=r"\(stage ingest\)"), steady():
        add_task(toy)


def test_what_the_stage_does_not_read_may_change(toy):
    with steady():
        (toy / "params.yaml").write_text("ingest: {rate: 0.00005, seed: 13}\nother: {}\n")
        (toy / "train.py").write_text("# another\n")


def test_without_dvc_nothing_is_looked_at(toy, monkeypatch):
    monkeypatch.delenv("DVC_STAGE")
    with steady():
        add_task(toy)


@pytest.mark.parametrize("stage", sorted(Path("pipeline/stages").glob("[!_]*.py")), ids=str)
def test_every_stage_looks_at_its_inputs_around_all_that_it_does(stage):
    (main,) = [
        node
        for node in ast.parse(stage.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "main"
    ]
    decorators = {ast.unparse(node) for node in main.decorator_list}
    _, *body = main.body  # after the docstring
    first = body[0].items[0].context_expr if isinstance(body[0], ast.With) else None
    assert "steady()" in decorators or (ast.unparse(first) == "steady()" and len(body) == 1)


@pytest.fixture
def training(toy, monkeypatch):
    """Let the train stage be called in the toy with its own parameters."""
    shutil.copy(ROOT / "params.yaml", toy / "params.yaml")
    monkeypatch.setenv("DVC_STAGE", "train")
    text = (toy / "dvc.yaml").read_text().replace("- ingest\n", "- train\n")
    (toy / "dvc.yaml").write_text(text)
    write_json(toy / "data/metrics/validate.json", {"num_critical": 0})
    return toy


def test_training_refuses_a_gym_that_validation_refused(training, capsys):
    write_json(training / "data/metrics/validate.json", {"num_critical": 2})
    assert train.main() == 1
    assert "must have no critical finding, got 2 (data/metrics" in capsys.readouterr().err


def test_the_train_stage_looks_before_it_writes(training, monkeypatch, capsys):
    def changed_meanwhile(*_, before_writing):
        path = training / "params.yaml"
        path.write_text(path.read_text().replace("max_steps: 500", "max_steps: 900"))
        before_writing()
        raise AssertionError("written")

    monkeypatch.setattr(train, "run_training", changed_meanwhile)
    assert train.main() == 1
    assert "got a change of train in params.yaml" in capsys.readouterr().err


def test_checkpoints_of_a_training_under_way_stay(training):
    kept = train.TRAIN_CHECKPOINTS / "key" / "step-4"
    kept.mkdir(parents=True)
    with exclusive(train.TRAIN_CHECKPOINTS, "train"):
        train._remove_checkpoints()
    assert kept.is_dir()
    train._remove_checkpoints()
    assert not kept.parent.exists()


def test_a_stage_of_another_graph_is_left_alone(toy, monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "mine")
    with steady():
        add_task(toy)


def test_a_stage_of_another_graph_names_the_files_that_must_stay(toy, monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "pipeline/science/dvc.yaml:cells")
    path = Path("params.yaml")
    with unchanged(path):
        add_task(toy)
    says = r"got a change of params\.yaml \(stage .*:cells\)"
    with pytest.raises(ConfigError, match=says), unchanged(path):
        path.write_text("other: {}\n")
    with pytest.raises(ConfigError, match=r"got a change of params\.yaml"), unchanged(path):
        path.unlink()


def test_without_dvc_such_files_may_change(toy, monkeypatch):
    monkeypatch.delenv("DVC_STAGE")
    with unchanged(Path("params.yaml")):
        (toy / "params.yaml").unlink()


@pytest.mark.parametrize("stage", sorted(Path("pipeline/science/stages").glob("[!_]*.py")), ids=str)
def test_every_stage_of_the_science_looks_at_its_settings_around_all_that_it_does(stage):
    text = stage.read_text()
    (main,) = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name == "main"
    ]
    files = "PARAMS, STUDIES" if "studies" in text else "PARAMS"
    is_decorated = f"unchanged({files})" in {ast.unparse(node) for node in main.decorator_list}
    last = main.body[-1]
    assert is_decorated or (
        isinstance(last, ast.With) and "unchanged(" in ast.unparse(last.items[0])
    )
