"""Replacing a whole folder at once, so that a failure leaves the earlier one as it was."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dpf_core.errors import GymError


@contextmanager
def replaced_directory(target: Path, *, is_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Give an empty sibling folder that takes the target's place when the block succeeds.

    Args:
        target: The folder to replace; only one that is empty, or an earlier result, is replaced.
        is_ours: Whether a folder is an earlier result, and holds nothing else.

    Raises:
        GymError: The target is something else, or cannot be written (read-only, disk full).
    """
    target = target.resolve()
    try:
        _check_replaceable(target, is_ours)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
            fresh = Path(scratch, "new")
            fresh.mkdir()
            yield fresh
            _swap(fresh, target, Path(scratch, "old"))
    except OSError as error:
        raise GymError(
            f"the output folder {target} must be writable, with room for the gym, got "
            f"{error.strerror or error}. Free space or choose another folder; nothing was changed."
        ) from error


def _check_replaceable(target: Path, is_ours: Callable[[Path], bool]) -> None:
    if target.exists() and not target.is_dir():
        raise GymError(f"the output must be a folder, got the file {target}. Choose another name.")
    if target.is_dir() and any(target.iterdir()) and not is_ours(target):
        raise GymError(
            f"the output folder must be empty, or an earlier gym and nothing else, got {target}, "
            "which has other files. Choose another folder, or move them away."
        )


def _swap(fresh: Path, target: Path, old: Path) -> None:
    if not target.exists():
        fresh.rename(target)
        return
    target.rename(old)
    try:
        fresh.rename(target)
    except BaseException:  # also when interrupted, or the earlier one would go with the scratch
        old.rename(target)
        raise
    shutil.rmtree(old)
