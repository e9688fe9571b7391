"""Names of tasks as they enter paths and messages."""

import difflib
import re
from collections.abc import Iterable

from dpf_core.errors import GymError

_TASK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def check_task_name(name: str, where: str) -> str:
    """Return the name if it is safe as a folder and file name.

    Args:
        name: A task name, from a specification, a folder or a command line.
        where: What the name was read from, for the message.

    Raises:
        GymError: The name could leave its folder, or is longer than 64 characters.
    """
    if not _TASK_NAME.fullmatch(name) or ".." in name:
        raise GymError(
            f"a task name must be 1 to 64 letters, digits, '_', '-' or '.' without '..' and start "
            f"with a letter or digit, got {name!r} ({where}). Rename the task."
        )
    return name


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"` for the closest choice, or an empty string."""
    close = difflib.get_close_matches(name, list(choices), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
