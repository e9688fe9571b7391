"""A command in a process group of its own, which ends with the process that started it.

Between the two stands this module as a program. It waits for the command, and for the end of its
own standard input, which only its parent holds open: when the parent is gone, however it ended,
the whole group is ended too. DVC ignores signals while a stage runs, so that a signal to DVC alone
would leave a training behind.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

GRACE_SECONDS = 20.0
"""Between one signal and the next: a training needs some to leave its checkpoint."""
_BY_A_SIGNAL = 128


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
            _end(process, grace_seconds)
            raise


def search_path() -> str:
    """Return a PATH on which `python`, as in a stage's command, is the one that runs here."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def main(words: Sequence[str]) -> int:
    """Run a command, in the group of this process, and return its exit code."""
    grace_seconds, command = float(words[0]), words[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # they are for the command, which gets them too
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as child:
        arguments = (child, grace_seconds)
        threading.Thread(target=_end_with_parent, args=arguments, daemon=True).start()
        code = child.wait()
    return code if code >= 0 else _BY_A_SIGNAL - code


def _end_with_parent(child: subprocess.Popen[bytes], grace_seconds: float) -> None:
    while os.read(0, 1):
        continue  # nothing is ever written; the end of the input is the parent's
    _signal_in_turn(os.getpgrp(), child, grace_seconds)


def _end(process: subprocess.Popen[Any], grace_seconds: float) -> None:
    _signal_in_turn(process.pid, process, grace_seconds)
    process.wait()


def _signal_in_turn(group: int, process: subprocess.Popen[Any], grace_seconds: float) -> None:
    """End a whole group; SIGINT comes first, on which a stage leaves a checkpoint."""
    for number in (signal.SIGINT, signal.SIGTERM):
        _signal_group(group, number)
        try:
            process.wait(grace_seconds)
            break
        except subprocess.TimeoutExpired:
            continue
    _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return  # every process of the group has ended


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
