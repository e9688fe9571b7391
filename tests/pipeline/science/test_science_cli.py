import json
import shutil

import pytest

from dpf_core.files import read_json
from pipeline import cli
from tests.pipeline.science.small_science import write_params


@pytest.fixture
def dpf(project, tmp_path, capsys, monkeypatch):
    """Run `dpf science ...` in the project; return exit code, output and errors."""
    monkeypatch.delenv("DPF_MIRROR", raising=False)

    def run(*words):
        code = cli.main(["science", words[0], "--project", str(tmp_path), *words[1:]])
        return code, *capsys.readouterr()

    return run


def test_the_way_from_rows_to_table(dpf, project):
    methods = ("single_task", "heads_only")
    assert dpf("check")[1].strip() == "2 targets, 2 sources, 0 leaks"
    code, said, _ = dpf("tune", *methods, "--jobs", "1")
    assert code == 0
    assert "3 runs, 0 were there" in said
    assert 'heads_only: {"head_learning_rate": 0.01}' in said
    assert "8 cells, 0 were there" in dpf("run", *methods, "--jobs", "1")[1]
    assert "0 cells, 8 were there" in dpf("run", *methods, "--jobs", "1")[1]
    assert dpf("status")[1].splitlines()[-1].split() == ["all", "8", "of", "16"]
    code, said, _ = dpf("cell", "heads_only", "mood", "21")
    assert code == 0
    assert said.splitlines()[0].startswith("heads_only mood 21: Classification-F1 0.")
    assert said.splitlines()[1].endswith(", equal")
    assert "dpf          not tuned" in dpf("transfer")[1]
    written = project.transfer.read_bytes()
    assert read_json(project.transfer)["methods"]["heads_only"]["complete"]
    said = dpf("transfer", "--without", "pick")[1]
    assert said.splitlines()[-1].startswith("without pick; ")
    assert project.transfer.read_bytes() == written


def test_studies_are_run_told_and_not_run_again(dpf, studied):
    dpf("tune", "dpf", "--jobs", "1")
    code, said, _ = dpf("study", "temperature", "--jobs", "1")
    assert code == 0
    assert "4 cells, 0 were there" in said
    assert "weights: Weights" not in said
    points = read_json(studied.studies)["studies"]
    assert points["temperature"]["points"]["0.1"]["num_cells"] == 2
    assert points["weights"]["points"]["equal"]["num_cells"] == 0
    code, said, _ = dpf("study", "temperature", "--jobs", "1", "--json")
    assert json.loads(said)["studies"].keys() == {"temperature"}
    assert "0.1    2 of 2" in dpf("study", "--list")[1]


def test_targets_join_the_pool_and_leave_its_tasks_alone(dpf, project):
    assert "dpf science tune dpf" in dpf("append")[2]
    dpf("tune", "dpf", "--jobs", "1")
    code, said, _ = dpf("append")
    assert code == 0
    assert said.splitlines()[1:] == [
        "fused prompts of earlier tasks that changed: 0 of 2",
        "rows whose logits changed: 0 of 4",
    ]
    assert json.loads(dpf("append", "dpf", "--json")[1]) == read_json(project.append_record)
    assert "must be one of 13, 21, got 14" in dpf("append", "--seed", "14")[2]


def test_other_settings_have_records_of_their_own(dpf, project, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_bytes(project.params.read_bytes())
    shutil.copytree(project.gym, project.work / "configurations" / "other" / "gym")
    options = ("--params", str(other))
    dpf("tune", "single_task", "heads_only", "--jobs", "1", *options)
    assert "4 cells, 0 were there" in dpf("run", "heads_only", "--jobs", "1", *options)[1]
    assert dpf("status", *options)[1].splitlines()[-1].split() == ["all", "4", "of", "16"]
    code, said, _ = dpf("transfer", *options)
    assert code == 0
    assert said.strip().endswith("data/metrics/science/configurations/other/transfer.json")
    assert dpf("status")[1].splitlines()[-1].split() == ["all", "0", "of", "16"]


def test_what_is_refused_of_other_settings_says_how_to_name_them(dpf, project, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_bytes(project.params.read_bytes())
    error = dpf("run", "spot", "--params", str(other))[2]
    assert f"Run: dpf science tune spot. (every command with --params {other})" in error


@pytest.mark.parametrize(
    "words", [("status",), ("transfer",), ("cell", "heads_only", "mood", "13")]
)
def test_what_a_program_reads_is_json(dpf, words):
    dpf("tune", "single_task", "heads_only", "--jobs", "1")
    code, said, _ = dpf(*words, "--json")
    assert code == 0
    assert isinstance(json.loads(said), dict)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "spot"), "must have the record of its tuning, got none (spot"),
        (("tune", "spot", "--jobs", "0"), "--jobs must be >= 1, got 0"),
        (("transfer",), "the rows must have been checked"),
    ],
)
def test_what_is_refused_is_one_sentence(dpf, words, says):
    code, _, error = dpf(*words)
    assert code == 1
    assert error.startswith("dpf: ")
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("check", "--jobs", "0"), "--jobs must be >= 1, got 0"),
        (("tune", "--jobs", "-1"), "--jobs must be >= 1, got -1"),
        (("tune", "sport"), "a method must be one of dpf"),
        (("run", "--jobs", "0"), "--jobs must be >= 1, got 0"),
        (("run", "sport"), "a method must be one of dpf"),
        (("run", "spot"), "must have the record of its tuning, got none (spot"),
        (("cell", "sport", "mood", "13"), "a method must be one of dpf"),
        (("study", "--jobs", "0"), "--jobs must be >= 1, got 0"),
        (("matrix",), "must have the record of its tuning, got none (heads_only"),
        (("study", "temprature"), "Did you mean 'temperature'"),
        (("study",), "must have the record of its tuning, got none (dpf"),
        (("cell", "dpf", "topic", "13"), "the target must be one of mood, pick, got 'topic'"),
        (("cell", "dpf", "mood", "7"), "the seed must be one of 13, 21, got 7"),
        (("cell", "spot", "mood", "13"), "must have the record of its tuning, got none (spot"),
    ],
)
def test_wrong_words_are_refused_before_rows_are_built(dpf, studied, words, says):
    shutil.rmtree(studied.gym)  # without a mirror the first look at rows would be refused
    code, _, error = dpf(*words)
    assert code == 1
    assert says in error


def test_rows_that_the_backbone_cannot_serve_are_refused_by_the_check(dpf, monkeypatch):
    kinds = {"encoder": ("classification",)}
    monkeypatch.setattr("pipeline.science.rows.SERVED_KINDS", kinds)
    code, _, error = dpf("check", "--jobs", "1")
    assert code == 1
    assert "must be classification, got multiple_choice (pick)" in error


def test_source_and_target_sets_that_overlap_are_refused(dpf, project, backbone_folder):
    write_params(project, backbone_folder, gym__sources=["topic", "mood"])
    code, _, error = dpf("check")
    assert code == 1
    assert "must be different ones, got mood as both" in error


def test_without_rows_and_without_a_mirror_one_sentence_says_what_to_name(dpf, project):
    shutil.rmtree(project.gym)
    code, _, error = dpf("tune", "dpf")
    assert code == 1
    assert "--mirror DIR or DPF_MIRROR" in error


@pytest.mark.parametrize(
    "command",
    [
        "check",
        "tune",
        "run",
        "cell",
        "status",
        "transfer",
        "study",
        "matrix",
        "append",
        "reference",
    ],
)
def test_every_command_has_its_help(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["science", command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "--project DIR" in said
    assert "dvc repro" not in said  # each is one part of it
