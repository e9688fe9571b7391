import _thread
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline import cli


def failing(error):
    def run(_):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (ModuleNotFoundError("no", name="matplotlib"), 1, "got none named matplotlib"),
        (OSError(28, "No space left on device", "pool.bin"), 1, "pool.bin"),
    ],
)
def test_what_stops_a_command_is_one_sentence_and_an_exit_code(
    monkeypatch, capsys, error, code, says
):
    monkeypatch.setattr("pipeline.stage_cli.run_train", failing(error))
    assert cli.main(["train"]) == code
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from pipeline import cli; cli.build_parser().format_help();"
        "print(*{'torch', 'dvc', 'dagster', 'great_expectations', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_an_interrupted_stage_ends_by_itself_and_is_told_as_interrupted(monkeypatch, capfd):
    script = "import time, signal; signal.signal(2, lambda *_: None); time.sleep(1); print('ended')"
    monkeypatch.setattr("pipeline.stage_cli.dvc_command", lambda _: [sys.executable, "-c", script])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # or it may be ignored
    try:
        threading.Timer(0.6, _thread.interrupt_main).start()
        assert cli.main(["train"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    said = capfd.readouterr()
    assert said.out == "ended\n"
    assert said.err.startswith("dpf: interrupted")


@pytest.mark.parametrize(("code", "told"), [(0, 0), (255, 1), (127, 1)])
def test_the_exit_code_is_one_of_those_that_help_names(monkeypatch, code, told):
    command = [sys.executable, "-c", f"raise SystemExit({code})"]
    monkeypatch.setattr("pipeline.stage_cli.dvc_command", lambda _: command)
    assert cli.main(["export"]) == told


def test_a_stage_finds_the_interpreter_that_runs_here(monkeypatch, capfd):
    monkeypatch.setattr("pipeline.stage_cli.dvc_command", lambda _: ["sh", "-c", "which python"])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert cli.main(["report"]) == 0
    assert Path(capfd.readouterr().out.strip()).parent == Path(sys.executable).parent


def test_a_stage_outside_of_a_project_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train"]) == 1
    assert f"must hold dvc.yaml where --out is left out, got {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("train",), ("gym", "validate")])
def test_parameters_of_ones_own_are_refused_without_a_folder(words, capsys):
    assert cli.main([*words, "--params", "mine.yaml"]) == 1
    assert "--params must come with --out, got no --out" in capsys.readouterr().err


def test_the_data_of_another_project_are_left_alone(tmp_path, capsys):
    (tmp_path / "dvc.yaml").write_text("stages: {}")
    out = tmp_path / "data" / "pool"
    assert cli.main(["train", "--out", str(out)]) == 1
    assert f"--out must lie outside data/, whose files DVC's stages own, got {out}" in (
        capsys.readouterr().err
    )
    assert not out.exists()


def test_a_reader_that_has_had_enough_is_no_error(monkeypatch, capfd):
    def broken(args):
        raise BrokenPipeError

    monkeypatch.setattr("pipeline.stage_cli.run_report", broken)
    assert cli.main(["report"]) == 1
    assert capfd.readouterr().err == ""


def test_a_date_that_there_is_not_is_no_value(capsys, tmp_path):
    words = ["train", "--out", str(tmp_path / "out"), "--set", "train.seed=2020-13-45"]
    assert cli.main(words) == 1
    said = capsys.readouterr().err
    assert "the value of --set must be YAML" in said
    assert "got 'train.seed=2020-13-45'. Quote it" in said
