"""The task directories that users put into `data/incoming/`, seen from outside.

What a task.yaml means is the gym's business; here a directory only has a name and a content.
"""

import hashlib
import json
from pathlib import Path

from dpf_core.files import sha256_file
from pipeline.paths import INCOMING

_TASK_FILE = "task.yaml"


def incoming_tasks(incoming: Path) -> tuple[dict[str, str], list[str]]:
    """Return the content hash of each task directory, and why others are ignored.

    The hash is SHA-256 over every file's relative path and SHA-256, so names and times of the
    directory itself do not count.
    """
    found: dict[str, str] = {}
    ignored: list[str] = []
    folders = sorted(path for path in incoming.glob("*") if path.is_dir())
    for folder in folders:
        files = {
            path.relative_to(folder).as_posix(): sha256_file(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        if _TASK_FILE not in files:
            ignored.append(f"{INCOMING}/{folder.name} has no {_TASK_FILE} yet, so it is ignored.")
        elif len(files) == 1:
            ignored.append(f"{INCOMING}/{folder.name} has no rows yet, so it is ignored.")
        else:
            found[folder.name] = hash_json(sorted(files.items()))
    return found, ignored


def hash_json(value: object) -> str:
    """Return the SHA-256 of a value's JSON, keys sorted."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
