import json
from pathlib import Path

import pytest
import yaml

from pipeline import cli
from pipeline.autotune_cli import tables
from tests import tiny

PARAMS = Path("params.yaml").resolve()
STANDING = yaml.safe_load(PARAMS.read_text())["backbone"]
SMALL = (
    "train.batch_size=7", "model.prompt_length=3", "model.pool_size=4", "runtime.num_threads=1",
    "backbone.max_length=16", "backbone.max_answer_length=6",
)  # fmt: skip


@pytest.fixture
def autotune(tiny_gym, backbone_folder, tmp_path, monkeypatch):
    """Run `dpf autotune` on a tiny gym and backbone, in a folder that must stay empty."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.setattr("dpf_core.training.autotune.HOPELESS_SECONDS", 1e9)  # on a busy machine

    def run(*words, backbone=backbone_folder):
        fixed = [f"--set={setting}" for setting in (*SMALL, f"backbone.name={backbone}")]
        files = ["--gym", str(tiny_gym), "--params", str(PARAMS)]
        code = cli.main(["autotune", *files, "--repeats=1", *fixed, *words])
        assert list(empty.iterdir()) == []
        return code

    return run


def test_the_table_has_every_combination_and_the_lines_to_set(autotune, capsys):
    assert autotune() == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    title, table, params = captured.out.rstrip("\n").split("\n\n")
    assert "(bert) on cpu: training steps of 7 examples" in title
    names = [line.split("  ")[0] for line in table.splitlines()]
    pairs = [f"{p}, {a}" for p in ("fp32", "bf16") for a in ("packed", "eager", "sdpa")]
    assert names == ["precision, attention", *pairs]
    chosen = yaml.safe_load(params.partition("\n")[2])["backbone"]
    assert f"{chosen['precision']}, {chosen['attention']}" in pairs
    now = STANDING["precision"], STANDING["attention"]
    assert all(line.endswith(("# stands", *(f"# now {value}" for value in now)))
               for line in params.splitlines()[2:])  # fmt: skip


def test_a_decoder_is_measured_with_what_it_can_run_and_further_choices(autotune, tmp_path, capsys):
    llama = tiny.backbone_folder(tmp_path / "llama", "llama")
    assert autotune("--json", "--threads=2", "--batch-tokens=64", backbone=llama) == 0
    found = json.loads(capsys.readouterr().out)
    first, second = found["rounds"]
    assert [row["attention"] for row in first] == ["eager", "sdpa"] * 2
    assert {(row["batch_tokens"], row["num_threads"]) for row in second} == {
        (4096, 1), (4096, 2), (64, 1), (64, 2),
    }  # fmt: skip
    assert found["reference"]["precision"] == "fp32"
    assert first[0]["loss_difference"] == 0
    assert first[1]["loss_difference"] < 1e-4
    assert max(row["share_of_the_fastest"] for row in first) == 1
    assert min(row["times_the_slowest"] for row in first) == 1
    for row in first + second:
        assert row["train_examples_per_second"] > 0
        assert row["forward_rows_per_second"] > 0
        assert (row["turns"], row["ended"]) == (1, None)
    assert found["current"] == {
        "backbone": {name: STANDING[name] for name in ("precision", "attention", "batch_tokens")},
        "runtime": {"num_threads": 1},
    }
    assert found["recommended"].keys() == found["current"].keys()


def test_what_is_dropped_says_why_in_the_table(autotune, capsys):
    assert autotune("--precisions=fp32", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    nothing = dict.fromkeys(found["rounds"][0][1].keys() - {"precision", "attention"})
    found["rounds"][0][1] |= nothing | {"ended": "slow", "pilot_examples_per_second": 0.25}
    table = tables(found)
    assert table.count("dropped: too slow; 0.25 examples/s, two alone") == 1


def test_a_table_that_was_cut_short_warns_of_it(autotune, capsys):
    assert autotune("--precisions=fp32", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert "note: " not in tables(found)
    found["rounds"][0][1] |= {"ended": "limit"}
    shown = tables(found)
    assert "out of time; 1 of 1 turns\n" in shown
    assert "note: time ran out" in shown


def test_one_precision_alone_is_its_own_reference(autotune, capsys):
    assert autotune("--precisions", "bf16", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["precision"] for row in found["rounds"][0]} == {"bf16"}
    assert found["reference"]["precision"] == "bf16"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--repeats=0",), "--repeats must be >= 1, got 0"),
        (("--limit=nan",), "--limit must be seconds > 0, got nan"),
        (("--limit=1e-9",), "at least one combination must run to its end, got out of time"),
        (("--batch-tokens=3",), "batch_tokens must be >= 64, got 3"),
        (("--threads=0",), "num_threads must be in [1, 1024], got 0"),
        (("--set=backbone.precision=fp32",), "--set must leave backbone.precision alone"),
        (("--set=evaluate.sample_seed=2",), "a section of backbone, model, runtime, train"),
        (("--gym=nowhere",), "a gym must have a readable manifest.json"),
        (("--set=runtime.device=nonsense",), "runtime.device must be a device"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(autotune, capsys, words, says):
    assert autotune(*words) == 1
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
