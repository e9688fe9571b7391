import _thread
import subprocess
import sys
import threading

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


def test_interrupting_a_stage_lets_dvc_end_by_itself(monkeypatch, capfd):
    script = "import time, signal; signal.signal(2, lambda *_: None); time.sleep(1); print('ended')"
    monkeypatch.setattr("pipeline.stage_cli.dvc_command", lambda _: [sys.executable, "-c", script])
    threading.Timer(0.4, _thread.interrupt_main).start()
    assert cli.main(["train"]) == 0
    assert capfd.readouterr().out == "ended\n"
