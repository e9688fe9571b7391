"""The task directories that users put into `data/incoming/`, seen from outside.

What a task.yaml means is the gym's business; here a directory only has a name and a content.
"""

import hashlib
import json
from pathlib import Path

from dpf_core.files import sha256_file
from dpf_core.gym.incoming import task_folders, why_waiting
from pipeline.paths import INCOMING


def incoming_tasks(incoming: Path) -> tuple[dict[str, str], list[str]]:
    """Return the content hash of each task directory, and why others are ignored.

    The hash is SHA-256 over every file's relative path and SHA-256, so names and times of the
    directory itself do not count.
    """
    complete = [folder for folder in task_folders(incoming) if why_waiting(folder) is None]
    return {folder.name: _content(folder) for folder in complete}, ignored_folders(incoming)


def ignored_folders(incoming: Path, *, shown: Path = INCOMING) -> list[str]:
    """Return a sentence for each directory that is no task yet, as the gym's builder sees it.

    Args:
        incoming: The directory of task directories.
        shown: How sentences name it.
    """
    reasons = {folder.name: why_waiting(folder) for folder in task_folders(incoming)}
    return [
        f"{shown}/{name} {reason}, so it is ignored." for name, reason in reasons.items() if reason
    ]


def hash_json(value: object) -> str:
    """Return the SHA-256 of a value's JSON, keys sorted."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _content(folder: Path) -> str:
    files = {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return hash_json(sorted(files.items()))
