"""A command in a process group of its own, which ends with the process that started it.

Between the two stands this module as a program. It waits for the command, and for the end of its
own standard input, which its parent alone holds open: when the parent lets go of it, or is gone,
however it ended, the whole group is ended too. DVC ignores signals while a stage runs, so that a
signal to DVC alone would leave a training behind. What is typed in a terminal, such as Ctrl-Z,
reaches the parent alone.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

GRACE_SECONDS = 20.0
"""Between one signal and the next, and what a stage has to leave its checkpoint."""
_BY_A_SIGNAL = 128
_POLL_SECONDS = 0.05


@contextmanager
def supervised(
    command: Sequence[str], *, grace_seconds: float = GRACE_SECONDS, **options: Any
) -> Iterator[subprocess.Popen[Any]]:
    """Give a running command that is ended when the block is left by an exception.

    Args:
        command: Its words.
        grace_seconds: Between SIGINT, SIGTERM and SIGKILL.
        options: Of `subprocess.Popen`, but for its standard input and session.
    """
    words = [sys.executable, str(Path(__file__)), str(grace_seconds), *command]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, start_new_session=True, **options
    ) as process:
        try:
            yield process
        except BaseException:  # also KeyboardInterrupt and Dagster's, which are no Exception
            _let_end(process)
            raise


def search_path() -> str:
    """Return a PATH on which `python`, as in a stage's command, is the one that runs here."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def main(words: Sequence[str]) -> int:
    """Run a command, in the group of this process, and return its exit code."""
    grace_seconds, command = float(words[0]), words[1:]
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the command must not inherit a blocked signal
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # they are for the command, which gets them too
    is_alone = threading.Event()

    def watch() -> None:
        while os.read(0, 1):
            continue  # nothing is ever written; the end of the input is the parent's
        is_alone.set()
        _end_group(grace_seconds)

    watcher = threading.Thread(target=watch, daemon=True)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as child:
        watcher.start()
        code = child.wait()
    if is_alone.is_set():  # what the command has started is still to be ended
        watcher.join()
    return code if code >= 0 else _BY_A_SIGNAL - code


def _let_end(process: subprocess.Popen[Any]) -> None:
    """Let go of the program between, and wait for it, however often this one is interrupted."""
    assert process.stdin is not None, "a pipe, by `supervised`"
    with suppress(BrokenPipeError):
        process.stdin.close()
    while True:
        with suppress(KeyboardInterrupt):
            process.wait()
            return


def _end_group(grace_seconds: float) -> None:
    """End every other process of the group; SIGINT comes first, on which a stage stops in order."""
    for number in (signal.SIGINT, signal.SIGTERM):
        os.killpg(0, number)
        deadline = time.monotonic() + grace_seconds
        while time.monotonic() < deadline:
            if not _has_others():
                return
            time.sleep(_POLL_SECONDS)
    os.killpg(0, signal.SIGKILL)  # this one too


def _has_others() -> bool:
    """Return whether another process of the group has not ended."""
    import psutil

    group = os.getpgrp()
    for other in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError, PermissionError):
            is_ours = other.pid != os.getpid() and os.getpgid(other.pid) == group
            if is_ours and other.info["status"] != psutil.STATUS_ZOMBIE:
                return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
