import pytest

from dpf_core.errors import ConfigError, GymError
from dpf_core.files import write_json
from pipeline.stages import train
from pipeline.steady import steady
from tests.pipeline.toy_project import write_toy_project


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


def test_training_refuses_a_gym_that_validation_refused(toy):
    write_json(toy / "data/metrics/validate.json", {"num_critical": 2})
    with pytest.raises(GymError, match=r"must have no critical finding, got 2 \(data/metrics"):
        train._check_validated()
