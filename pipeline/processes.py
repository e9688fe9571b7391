"""Several processes for one training: who starts them, how they meet, and which one speaks.

A launcher (`torchrun`, `accelerate launch`, or `launch` here) says in the environment which process
this is. What the processes share is in `dpf_core/training/processes.py`.
"""

import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from dpf_core.config import RuntimeConfig
from dpf_core.errors import ConfigError, ProcessError
from pipeline.refusals import REFUSED

if TYPE_CHECKING:
    import torch

    from dpf_core.training.processes import Processes

TIMEOUT = timedelta(minutes=30)
"""Longest wait for a process that lives and does not come, as one that writes long answers for its
dev rows; one that has ended is noticed at once."""

_PARENT = "DPF_LAUNCHER"
"""Environment variable with the process id of `launch`."""

_GRACE_SECONDS = 3.0
"""In which a launcher ends a process that lost another; if it does not, this one speaks."""


def is_launched() -> bool:
    """Return whether a launcher has started this process as one of its own."""
    return os.environ.keys() >= {"RANK", "WORLD_SIZE"}


def launch(module: str, words: Sequence[str], runtime: RuntimeConfig) -> int:
    """Run a module in `runtime.num_processes` processes and return their exit code.

    This process is the launcher, what `python -m torch.distributed.run` would be: it passes signals
    on, ends all processes when one fails, and waits for them.

    Args:
        module: Dotted name; it finds itself launched.
        words: Its command line.
        runtime: Number of processes, and threads of each.

    Raises:
        ProcessError: A signal has ended one of them.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    os.environ[_PARENT] = str(os.getpid())
    os.environ.setdefault("OMP_NUM_THREADS", str(runtime.num_threads))
    logging.disable(logging.ERROR)  # of the launcher: the processes have said what there is to say
    with tempfile.TemporaryDirectory(prefix="dpf_processes_") as logs:
        options = f"--standalone --local-addr localhost --nproc-per-node {runtime.num_processes}"
        arguments = [*options.split(), "--log-dir", logs, "-m", module, *words]
        try:
            run(parse_args(arguments))  # type: ignore[no-untyped-call]
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            if failure.exitcode >= 0:
                return failure.exitcode
            raise ProcessError(
                f"every process must live until training ends, got process {rank} of "
                f"{runtime.num_processes} ended by {signal.Signals(-failure.exitcode).name}. If "
                "memory ran out, lower runtime.num_processes or backbone.batch_tokens in "
                "params.yaml."
            ) from error
        except SignalException as error:
            return 128 + error.sigval
    return 0


@contextmanager
def joined(runtime: RuntimeConfig) -> "Iterator[Processes]":
    """Join the launcher's other processes, if there are any, and leave together with them.

    Raises:
        ConfigError: The settings do not fit the launcher or this machine.
        ProcessError: Another process has ended, or none came.
    """
    from dpf_core.training.processes import SINGLE, Processes

    count = _from_launcher("WORLD_SIZE") if is_launched() else 1
    if runtime.num_processes not in (1, count):
        raise ConfigError(
            f"num_processes must be 1 or the launcher's number of processes, {count}, got "
            f"{runtime.num_processes} (runtime.num_processes in params.yaml). Set it to 1, or run "
            "without a launcher: the train stage starts its processes itself."
        )
    if count == 1:
        yield SINGLE
        return
    from torch import distributed

    processes = Processes(_from_launcher("RANK"), count)
    gpu = _own_gpu(runtime.device, _from_launcher("LOCAL_RANK"))
    _end_with_parent()
    try:
        distributed.init_process_group("nccl" if gpu else "gloo", timeout=TIMEOUT, device_id=gpu)
    except (RuntimeError, ValueError) as error:  # ValueError: no address of the launcher
        raise ProcessError(
            f"every process must come when training starts, got {' '.join(str(error).split())} "
            f"(process {processes.rank} of {count}). Start all by torchrun or accelerate launch."
        ) from error
    yield processes
    processes.barrier()
    distributed.destroy_process_group()  # after an error it could wait for the others forever


@contextmanager
def in_one_voice() -> Iterator[None]:
    """Let the first process that fails say why, and end the others without a word."""
    try:
        yield
    except BaseException as error:
        if is_launched() and not _may_speak(error):
            raise SystemExit(REFUSED) from None
        raise


def _may_speak(error: BaseException) -> bool:
    try:
        if isinstance(error, ProcessError):
            time.sleep(_GRACE_SECONDS)
        return _is_first_to_speak()
    except KeyboardInterrupt:  # which all processes get
        return _is_first_to_speak()


def _is_first_to_speak() -> bool:
    """Ask the launcher's store, where all processes count the failed ones."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # re-exported from C++

    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    address, port = (os.environ.get(name, "") for name in ("MASTER_ADDR", "MASTER_PORT"))
    if not (address and port.isdecimal()):
        return True
    try:
        store = TCPStore(address, int(port), is_master=False, timeout=timedelta(seconds=5))
        return bool(store.add(f"dpf/failed/{attempt}", 1) == 1)
    except RuntimeError:  # the store has ended, or never was
        return True


def _own_gpu(device: str, local_rank: int) -> "torch.device | None":
    """Return the GPU of this process, which `cuda` means from then on; None for a CPU."""
    import torch

    if device == "cpu":
        return None
    if device != "cuda":
        raise ConfigError(
            f"device must be cpu or cuda for several processes, got {device!r} (runtime.device in "
            "params.yaml). Leave the number out: each process takes a GPU of its own."
        )
    if local_rank >= torch.cuda.device_count():
        raise ConfigError(
            f"num_processes must be <= the GPUs that torch finds here, {torch.cuda.device_count()},"
            f" got process {local_rank} (runtime.num_processes in params.yaml). Lower it, or set "
            "runtime.device: cpu."
        )
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def _from_launcher(name: str) -> int:
    text = os.environ.get(name, "")
    if not text.isdecimal():
        raise ConfigError(
            f"{name} must be a number from a launcher, got {text!r} (environment). Start with "
            "torchrun or accelerate launch, or unset RANK and WORLD_SIZE."
        )
    return int(text)


def _end_with_parent() -> None:
    """End this process soon after its launcher, which may be killed without passing that on.

    `launch` says who it is; torchrun does not, but is the parent of what it starts.
    """
    started_by_torchrun = str(os.getppid()) if "TORCHELASTIC_RUN_ID" in os.environ else ""
    parent = os.environ.get(_PARENT, started_by_torchrun)

    def watch() -> None:
        while str(os.getppid()) == parent:
            time.sleep(0.5)
        os._exit(REFUSED)

    if parent:
        threading.Thread(target=watch, daemon=True).start()
