import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch.distributed import TCPStore

from dpf_core.config import BackboneConfig, ModelConfig, RuntimeConfig, TrainConfig
from dpf_core.errors import ConfigError, ProcessError
from dpf_core.files import write_json
from dpf_core.training.processes import SINGLE, Processes
from pipeline import cli, training
from pipeline.processes import in_one_voice, joined
from pipeline.stages import train
from pipeline.training import TrainPaths, TrainSettings, run_training
from tests import tiny

ROOT = Path(__file__).parents[2]
TINY = {
    "runtime": {"num_threads": 1, "num_processes": 1},
    "backbone": {"precision": "fp32", "max_length": 16},
    "model": {"prompt_length": 3, "pool_size": 4},
    "train": {
        "max_steps": 20, "batch_size": 7, "dev_rows": 3, "initial_loss_rows": 4,
        "eval_every_steps": 5, "checkpoint_every_steps": 5, "log_every_steps": 5,
    },
}  # fmt: skip
STAGE = [sys.executable, "-m", "pipeline.stages.train"]
IDLE = [sys.executable, "-m", "tests.pipeline.idle_stage"]
ORPHAN = """
import os, subprocess, sys, time
from pipeline.processes import _end_with_parent
if sys.argv[1:]:
    _end_with_parent()
    print("started", flush=True)
    time.sleep(60)
os.environ[os.environ["SAYS_SO"]] = str(os.getpid())
subprocess.run([sys.executable, "-c", os.environ["SCRIPT"], "child"])
"""


@pytest.fixture
def project(tiny_gym, backbone_folder, tmp_path, monkeypatch):
    """Work in a project with a gym; the result writes the tiny parameters with some changed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    Path("data").mkdir()
    Path("data/gym").symlink_to(tiny_gym)
    Path("data/metrics").mkdir()
    write_json(Path("data/metrics/validate.json"), {"num_critical": 0})

    def write(**changes):
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        for section, values in TINY.items():
            params[section] |= values | changes.get(section, {})
        params["backbone"]["name"] = str(backbone_folder)
        Path("params.yaml").write_text(yaml.safe_dump(params))

    return write


@pytest.fixture
def launched(monkeypatch):
    """Be one of a launcher's processes, as the environment says it."""

    def be(rank, count):
        for name, value in (("RANK", rank), ("WORLD_SIZE", count), ("LOCAL_RANK", rank)):
            monkeypatch.setenv(name, str(value))

    return be


def finish(command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def assert_same_pool(found, expected):
    tensors = [load_file(folder / "pool.safetensors") for folder in (found, expected)]
    assert tensors[0].keys() == tensors[1].keys()
    for name, tensor in tensors[0].items():
        torch.testing.assert_close(tensor, tensors[1][name], atol=1e-5, rtol=0, msg=name)


@pytest.mark.slow
def test_two_processes_write_and_say_once_what_one_does(project, capfd):
    project()
    assert train.main() == 0
    said = capfd.readouterr().err
    pool = Path("data/pool").rename("pool_of_one")
    project(runtime={"num_processes": 2})
    done = finish(STAGE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", said)
    assert_same_pool(Path("data/pool"), pool)
    assert [path.name for path in Path(".checkpoints/train").iterdir()] == [".lock"]


@pytest.fixture
def idle(tmp_path, monkeypatch):
    """Start two processes that wait for one another; the result gives launcher and processes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def start(command):
        launcher = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("joined-*"))) < 2:
            assert time.monotonic() < deadline, "two processes must meet within a minute"
            time.sleep(0.05)
        return launcher, psutil.Process(launcher.pid).children(recursive=True)

    return start


@pytest.mark.slow
def test_a_launcher_that_is_told_to_end_ends_every_process(idle):
    launcher, processes = idle([*IDLE, "cpu"])
    launcher.terminate()
    assert launcher.communicate(timeout=30) == (None, "")
    assert launcher.returncode == 128 + signal.SIGTERM
    assert len(processes) == 2
    assert psutil.wait_procs(processes, timeout=10)[1] == []


@pytest.mark.parametrize("variable", ["DPF_LAUNCHER", "TORCHELASTIC_RUN_ID"])
def test_a_process_ends_soon_after_its_launcher_was_killed(monkeypatch, variable):
    monkeypatch.setenv("SAYS_SO", variable)
    monkeypatch.setenv("SCRIPT", ORPHAN)
    command = [sys.executable, "-c", ORPHAN]
    launcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert launcher.stdout.readline() == "started\n"
    children = psutil.Process(launcher.pid).children()
    launcher.kill()
    launcher.communicate()
    assert len(children) == 1
    assert psutil.wait_procs(children, timeout=10)[1] == []


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_other_and_the_launcher_says_so(idle):
    launcher, processes = idle([*IDLE, "cpu"])
    processes[1].kill()
    said = launcher.communicate(timeout=30)[1]
    assert launcher.returncode == 1
    assert said.startswith("idle: every process must live until training ends, got process ")
    assert said.count("\n") == 1
    assert "of 2 ended by SIGKILL" in said
    assert psutil.wait_procs(processes, timeout=10)[1] == []


@pytest.mark.slow
def test_what_all_processes_refuse_is_one_sentence_and_an_exit_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = finish([*IDLE, "cuda:1"])
    assert done.returncode == 1
    assert done.stderr.startswith("idle: device must be cpu or cuda for several processes, got")
    assert done.stderr.count("\n") == 1


def test_the_first_process_that_fails_speaks_and_the_next_ends_in_silence(monkeypatch, launched):
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", str(store.port))
    launched(1, 2)
    with pytest.raises(ConfigError, match="too many"), in_one_voice():
        raise ConfigError("too many")
    with pytest.raises(SystemExit) as end, in_one_voice():
        raise ConfigError("too many")
    assert end.value.code == 1


def test_a_launcher_of_one_process_is_no_launcher_of_many(launched):
    launched(0, 1)
    with joined(tiny.config(RuntimeConfig)) as processes:
        assert processes is SINGLE


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"num_processes": 3}, "num_processes must be 1 or the launcher's .*, 2, got 3"),
        ({"device": "cuda:1"}, "device must be cpu or cuda for several .*, got 'cuda:1'"),
        ({"device": "cuda"}, "num_processes must be <= the GPUs .*, 1, got process 1"),
    ],
)
def test_settings_that_do_not_fit_the_launcher_are_refused(monkeypatch, launched, changes, says):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    launched(1, 2)
    with pytest.raises(ConfigError, match=says), joined(tiny.config(RuntimeConfig, **changes)):
        pass


def test_an_environment_that_no_launcher_makes_is_refused(launched):
    launched(0, "two")
    says = r"WORLD_SIZE must be a number from a launcher, got 'two'"
    with pytest.raises(ConfigError, match=says), in_one_voice():
        joined(tiny.config(RuntimeConfig)).__enter__()


def test_a_launcher_that_cannot_be_found_is_refused(monkeypatch, launched):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    launched(0, 2)
    says = r"every process must come when .*, got .*MASTER_ADDR expected.* \(process 0 of 2\)"
    with pytest.raises(ProcessError, match=says), joined(tiny.config(RuntimeConfig)):
        pass


def test_dpf_train_starts_its_processes_with_its_own_words(project, monkeypatch):
    project()
    started = []
    monkeypatch.setattr("pipeline.stage_cli.launch", lambda *given: started.append(given) or 5)
    words = ["train", "--out", "own", "--set", "runtime.num_processes=2", "--json"]
    assert cli.main(words) == 5
    assert [given[:2] for given in started] == [("pipeline.cli", words)]


def test_dpf_train_without_out_is_refused_under_a_launcher(monkeypatch, launched, capsys):
    monkeypatch.setattr("pipeline.processes._is_first_to_speak", lambda: True)
    launched(0, 2)
    assert cli.main(["train"]) == 1
    assert "must run once where it has no --out" in capsys.readouterr().err


def test_the_real_number_of_processes_is_part_of_a_checkpoints_key(
    tiny_gym, backbone_folder, tmp_path, monkeypatch
):
    def key(processes):
        folders = []
        monkeypatch.setattr(
            training, "train", lambda *_, checkpoints, **__: folders.append(checkpoints.folder)
        )
        monkeypatch.setattr(training, "_metrics", lambda *_: {})
        paths = TrainPaths(
            gym=tiny_gym, pool=tmp_path, metrics=tmp_path, plots=tmp_path, checkpoints=tmp_path
        )
        settings = TrainSettings(
            runtime=tiny.config(RuntimeConfig, num_threads=1),
            backbone=tiny.config(BackboneConfig, name=str(backbone_folder)),
            model=tiny.config(ModelConfig),
            train=tiny.config(TrainConfig),
        )
        run_training(paths, settings, processes)
        return folders

    assert key(Processes(1, 2)) == key(Processes(1, 2))
    assert key(Processes(1, 2)) != key(Processes(1, 3))
