import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest

from pipeline.assets import build_assets
from pipeline.dvc_project import read_lock
from pipeline.resources import DvcRunner, _remove_torn_lock
from tests.pipeline.toy_project import run_dvc, write_toy_project


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    write_toy_project(tmp_path)
    run_dvc(tmp_path, "init", "--no-scm", "-q")
    return tmp_path


def materialize(root, *, tasks=("first",), instance=None):
    return dg.materialize(
        build_assets(root, tasks),
        resources={"dvc": DvcRunner(project_dir=str(root), grace_seconds=2.0)},
        instance=instance or dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


def metadata_of(result, stage):
    return result.asset_materializations_for_node(stage)[0].metadata


def test_dagster_and_dvc_write_the_same_lock_and_a_second_run_is_skipped(toy, tmp_path_factory):
    other = write_toy_project(tmp_path_factory.mktemp("other"))
    run_dvc(other, "init", "--no-scm", "-q")
    run_dvc(other, "repro")
    first, second = materialize(toy), materialize(toy)
    assert first.success
    assert second.success
    assert read_lock(toy) == read_lock(other)
    for stage in ("ingest", "validate", "train"):
        assert metadata_of(first, stage)["dvc/ran"].value is True
        assert metadata_of(first, stage)["said"].value == stage
        assert metadata_of(second, stage)["dvc/ran"].value is False


def test_invalid_data_fails_the_check_with_the_stages_sentence_and_nothing_is_trained(toy):
    (toy / "data/incoming/first").rename(toy / "data/incoming/bad")
    result = materialize(toy, tasks=["bad"])
    (check,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "task_bad"]
    failure = result.failure_data_for_node("validate")
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.ERROR
    assert "got line 2. Correct it." in failure.user_failure_data.description
    assert read_lock(toy).keys() == {"ingest"}


def test_cancelling_ends_dvc_the_stage_and_what_the_stage_started(toy):
    (toy / "train.py").write_text(
        "import os, pathlib, signal, subprocess, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '120'])\n"
        "pathlib.Path('pids').write_text(f'{os.getpid()} {child.pid} ')\n"
        "time.sleep(120)\n"
    )
    script = f"from {__name__} import *; materialize(Path({str(toy)!r}))"
    dagster = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    pids = wait_for_text(toy / "pids").split()
    dagster.send_signal(signal.SIGINT)  # what a run worker sends itself when cancelled
    dagster.wait(20)
    assert len(pids) == 2
    assert [pid for pid in pids if is_running(pid)] == []
    assert "train" not in read_lock(toy)


def wait_for_text(path):
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text().endswith(" ")):
        assert time.monotonic() < deadline, f"{path} must appear within a minute"
        time.sleep(0.05)
    return path.read_text()


def is_running(pid):
    try:
        return psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_stage_waits_while_another_dvc_writes_in_the_workspace(toy):
    lock = toy / ".dvc" / "tmp" / "rwlock"
    owner = {"pid": os.getpid(), "cmd": "dvc repro"}
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(json.dumps({"read": {}, "write": {str(toy / "data/gym"): owner}}))
    runner = DvcRunner(project_dir=str(toy), busy_seconds=1, busy_retries=30)
    threading.Timer(4, lock.unlink).start()
    result = dg.materialize(build_assets(toy, ["first"]), resources={"dvc": runner})
    waits = [e for e in result.all_events if e.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY]
    assert result.success
    assert waits


@pytest.mark.parametrize("content", ["", '{"read": {'])
def test_half_a_lock_that_a_killed_dvc_left_behind_is_removed(toy, content, capfd):
    lock = toy / ".dvc" / "tmp" / "rwlock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(content)
    os.utime(lock, (time.time() - 90,) * 2)
    assert materialize(toy).success
    assert (
        "rwlock was left half written by a DVC that was killed: removed" in capfd.readouterr().out
    )


def test_half_a_lock_that_somebody_may_be_writing_stays(tmp_path):
    lock = tmp_path / ".dvc" / "tmp" / "rwlock"
    lock.parent.mkdir(parents=True)
    for content, age in (("{", 0), ("{}", 90)):
        lock.write_text(content)
        os.utime(lock, (time.time() - age,) * 2)
        _remove_torn_lock(tmp_path)
        assert lock.read_text() == content
