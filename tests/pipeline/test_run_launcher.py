"""A run that nobody can report the end of, as after a power failure."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import MagicMock

import dagster as dg
import psutil
import pytest
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

ROOT = Path(__file__).parents[2]
RUN = """
import time
from pathlib import Path
import dagster as dg

@dg.op
def wait():
    Path("started").touch()
    time.sleep(600)

@dg.job(executor_def=dg.in_process_executor, tags={"dvc/workspace": "default"})
def retrain():
    wait()

retrain.execute_in_process(instance=dg.DagsterInstance.get())
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A project with this one's dagster.yaml."""
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def running(home):
    """A run under way, in a process of its own."""
    with subprocess.Popen([sys.executable, "-c", RUN], cwd=home) as process:
        deadline = time.monotonic() + 60
        while not (home / "started").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        yield process
        process.kill()


def monitor(instance):
    """Return the status of the only run after Dagster has looked at it."""
    context = MagicMock(instance=instance)
    errors = list(execute_run_monitoring_iteration(context, MagicMock()))
    assert [error for error in errors if error] == []
    (run,) = instance.get_runs()
    return run.status


def test_a_run_that_was_killed_is_marked_as_failed_and_keeps_nothing_waiting(running):
    with dg.DagsterInstance.get() as instance:
        assert monitor(instance) == dg.DagsterRunStatus.STARTED
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert monitor(instance) == dg.DagsterRunStatus.FAILURE
        (run,) = instance.get_runs()
        messages = [log.message for log in instance.all_logs(run.run_id)]
        assert any(f"the process {running.pid} of the run is gone" in text for text in messages)
        assert instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])) == 0


def test_a_younger_process_of_the_same_number_is_another_one(running, monkeypatch):
    with dg.DagsterInstance.get() as instance:
        later = time.time() + 60
        monkeypatch.setattr(psutil.Process, "create_time", lambda self: later)
        assert monitor(instance) == dg.DagsterRunStatus.FAILURE


def test_a_run_of_which_no_process_is_known_is_left_alone(home):
    @dg.job
    def nothing():
        pass

    with dg.DagsterInstance.get() as instance:
        instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED)
        assert monitor(instance) == dg.DagsterRunStatus.STARTED


def test_a_run_of_a_code_server_elsewhere_is_left_alone(running):
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
        elsewhere = json.dumps({"host": "code_server", "port": 4000})
        instance.add_run_tags(run.run_id, {GRPC_INFO_TAG: elsewhere})
        running.kill()
        running.wait()
        assert monitor(instance) == dg.DagsterRunStatus.STARTED
        here = json.dumps({"host": "localhost", "socket": "/tmp/socket"})
        instance.add_run_tags(run.run_id, {GRPC_INFO_TAG: here})
        assert monitor(instance) == dg.DagsterRunStatus.FAILURE
