"""A bar that shows how far the building of a gym has come."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from dpf_core.gym.build import TaskDone


@contextmanager
def progress(hows: Counter[str]) -> Iterator[Callable[[TaskDone], None]]:
    """Give a watcher of a build that counts how tasks came about, with a bar on a terminal."""
    with tqdm(desc="gym", unit="task", disable=not sys.stderr.isatty()) as bar:

        def watch(done: TaskDone) -> None:
            hows[done.how] += 1
            bar.total = done.total
            bar.set_postfix_str(done.name, refresh=False)
            bar.update()

        yield watch
