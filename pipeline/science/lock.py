"""One run at a time in a project: two would write the same records and take each other's cells."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from dpf_core.errors import ProcessError
from pipeline.science.layout import Layout


@contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """Keep every other run of a project out while the block runs, until this process ends at most.

    Raises:
        ProcessError: Another one is under way.
        OSError: The folder cannot be written.
    """
    layout.work.mkdir(parents=True, exist_ok=True)
    path = layout.work / ".lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ProcessError(
                f"one run at a time must write a project's records, got another one under way "
                f"({path}). Wait for its end, or end it; what is done stays done."
            ) from error
        yield
