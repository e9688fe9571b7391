"""The task directories that users put into `data/incoming/`, seen from outside.

What a task.yaml means is the gym's business; here a directory only has a name and a content.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from dpf_core.files import sha256_file
from dpf_core.gym.incoming import TASK_FILE, TEST, TRAIN, task_folders, why_waiting
from dpf_core.gym.row_files import READERS
from pipeline.paths import INCOMING


def incoming_tasks(incoming: Path) -> tuple[dict[str, str], list[str]]:
    """Return the content hash of each task directory, and why others are ignored.

    The hash is SHA-256 over the names and SHA-256 of the files that a build reads, so an editor's
    files beside them, names and times of the directory do not count.
    """
    found, unreadable = {}, []
    for folder in task_folders(incoming):
        if _reason(folder) is not None:
            continue
        try:
            found[folder.name] = _content(folder)
        except OSError as error:
            reason = error.strerror or error
            unreadable.append(f"{INCOMING}/{folder.name} cannot be read: {reason}. Correct it.")
    return found, ignored_folders(incoming) + unreadable


def complete_tasks(incoming: Path) -> set[str]:
    """Return the names of the task directories; no row is read."""
    return {folder.name for folder in task_folders(incoming) if _reason(folder) is None}


def ignored_folders(incoming: Path, *, shown: Path = INCOMING) -> list[str]:
    """Return a sentence for each directory that is no task yet, as the gym's builder sees it.

    Args:
        incoming: The directory of task directories.
        shown: How sentences name it.
    """
    reasons = {folder.name: _reason(folder) for folder in task_folders(incoming)}
    return [
        f"{shown}/{name.encode(errors='backslashreplace').decode()} {reason}, so it is ignored."
        for name, reason in reasons.items()
        if reason
    ]


def hash_json(value: object) -> str:
    """Return the SHA-256 of a value's JSON, keys sorted."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _reason(folder: Path) -> str | None:
    """Return why a folder is no task; one that a build would refuse must not hide the others."""
    try:
        return why_waiting(folder)
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _content(folder: Path) -> str:
    files = [folder / TASK_FILE, *(folder / f"{s}{e}" for s in (TRAIN, TEST) for e in READERS)]
    return hash_json([(path.name, _sha256(path)) for path in files if path.is_file()])


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file, which is read again only where it may have changed."""
    found = path.stat()
    return _sha256_of(path, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


@lru_cache(maxsize=4096)
def _sha256_of(path: Path, state: tuple[int, ...]) -> str:
    del state  # with the path it says whether the content is known
    return sha256_file(path)
