import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.supervised import supervised
from tests.pipeline.test_resources import is_running, wait_for_text

STUBBORN = """
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "120"])
pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {child.pid} ")
time.sleep(120)
"""
LEAVING = """
import pathlib, subprocess, sys, time
ignoring = "import signal, time; signal.signal(2, signal.SIG_IGN); print(flush=True);"
ignoring += "time.sleep(120)"
child = subprocess.Popen([sys.executable, "-c", ignoring], stdout=subprocess.PIPE)
child.stdout.readline()
pathlib.Path(sys.argv[1]).write_text(f"{child.pid} ")
time.sleep(120)
"""
"""Ends on SIGINT, and leaves a child that does not."""
SLOW = """
import pathlib, signal, sys, time
def leave(*_):
    time.sleep(1.5)
    pathlib.Path(sys.argv[1] + ".checkpoint").write_text("whole ")
    sys.exit(0)
signal.signal(signal.SIGINT, leave)
pathlib.Path(sys.argv[1]).write_text("ready ")
time.sleep(120)
"""
PARENT = """
import signal, subprocess, sys
from pipeline.supervised import supervised
signal.pthread_sigmask(signal.SIG_SETMASK, [])  # whatever this process has inherited
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
with supervised([sys.executable, "-c", sys.argv[1], sys.argv[2]], grace_seconds=0.5) as process:
    process.wait()
"""


def start(script, path, monkeypatch, grace_seconds="0.5"):
    """Start a parent of a script, and return it when the script is ready."""
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    words = [sys.executable, "-c", PARENT.replace("0.5", grace_seconds), script, str(path)]
    parent = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    return parent, wait_for_text(path).split()


@pytest.mark.parametrize("script", [STUBBORN, LEAVING], ids=["stubborn", "leaving"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_group_ends_with_its_parent_however_that_ended(tmp_path, monkeypatch, number, script):
    parent, pids = start(script, tmp_path / "pids", monkeypatch)
    parent.send_signal(number)
    parent.wait(20)
    assert_all_end(pids)


def test_a_second_interrupt_waits_for_the_checkpoint_too(tmp_path, monkeypatch):
    parent, _ = start(SLOW, tmp_path / "ready", monkeypatch, grace_seconds="20")
    for _ in range(3):
        parent.send_signal(signal.SIGINT)
        time.sleep(0.3)
    parent.wait(20)
    assert (tmp_path / "ready.checkpoint").read_text() == "whole "


def test_the_group_ends_when_the_block_is_left_by_an_error(tmp_path):
    command = [sys.executable, "-c", STUBBORN, str(tmp_path / "pids")]
    pids = []

    def left_by_an_error():
        with supervised(command, grace_seconds=0.2):
            pids.extend(wait_for_text(tmp_path / "pids").split())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        left_by_an_error()
    assert len(pids) == 2
    assert [pid for pid in pids if is_running(pid)] == []


@pytest.mark.parametrize(("script", "code"), [
    ("pass", 0), ("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137),
])  # fmt: skip
def test_the_exit_code_is_the_commands_own(script, code):
    with supervised([sys.executable, "-c", script]) as process:
        assert process.wait() == code


def test_the_command_reads_nothing_and_leads_a_session_of_its_own():
    script = "import os, sys; print(os.getsid(0), repr(sys.stdin.read()))"
    with supervised([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        session, read = process.stdout.read().split()
    assert (int(session), read) == (process.pid, "''")


def assert_all_end(pids):
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, [psutil.Process(int(pid)).cmdline() for pid in pids]
        time.sleep(0.05)
