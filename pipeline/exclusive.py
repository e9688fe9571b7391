"""One process at a time where two would take each other's files."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpf_core.errors import ProcessError


@contextmanager
def exclusive(folder: Path, what: str) -> Iterator[None]:
    """Keep others out of a folder while the block runs, until this process ends at most.

    Args:
        folder: Made where it does not exist; `.lock` in it is what is held.
        what: What one process at a time does, for the message.

    Raises:
        ProcessError: Another one is at it.
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ProcessError(
                f"one run at a time must {what}, got another one under way ({path}). Wait for its "
                "end, or end it; what is done stays done."
            ) from error
        yield
