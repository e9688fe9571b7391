"""What a run says while it fills what is missing."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tqdm import tqdm


def shown(results: Iterable[Any], total: int, what: str, unit: str) -> Iterator[Any]:
    """Yield results under a progress bar, which is shown on a terminal alone."""
    yield from tqdm(results, total=total, desc=what, unit=unit, disable=None if total else True)


def say(line: str) -> None:
    """Print a line where no progress bar is shown."""
    if not sys.stderr.isatty():
        print(line, flush=True)
