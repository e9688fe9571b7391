"""Comparing a gym's files on disk with CrossFit's fingerprints and with its own manifest."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dpf_core.files import md5_file
from dpf_core.gym.manifest import NO_OFFICIAL_FILES, UNVERIFIED, VERIFIED, TaskRecord
from dpf_core.gym.official import official_md5
from dpf_core.gym.reader import load_manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskVerification:
    """What was found for one task."""

    name: str
    status: str
    """`verified`, `unverified` or `no official files`, of the files as they are now."""
    matching: int
    """Files that equal CrossFit's."""
    of: int
    """Files that CrossFit publishes for the task; 0 if it does not have the task."""
    differing: tuple[str, ...]
    """Files that differ from CrossFit's or are absent."""
    changed: tuple[str, ...]
    """Files that differ from the manifest or are absent."""

    @property
    def passed(self) -> bool:
        """Whether no file differs from anything."""
        return not self.differing and not self.changed

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return asdict(self)


def verify_gym(directory: Path) -> list[TaskVerification]:
    """Return the finding for every task of a gym, in the manifest's order.

    Raises:
        GymError: The folder is no gym.
        OSError: A file is there and cannot be read.
    """
    manifest = load_manifest(directory)
    return [_verify(Path(directory) / record.name, record) for record in manifest.tasks]


def summary_line(results: list[TaskVerification]) -> str:
    """Return one line, such as `14 of 14 tasks verified, 210 of 210 files`."""
    official = [result for result in results if result.of]
    verified = sum(result.status == VERIFIED for result in official)
    matching, total = sum(r.matching for r in official), sum(r.of for r in official)
    others = len(results) - len(official)
    rest = f"; {others} more without official files" if others else ""
    return f"{verified} of {len(official)} tasks verified, {matching} of {total} files{rest}"


def _verify(folder: Path, record: TaskRecord) -> TaskVerification:
    now = {
        name: md5_file(folder / name) if (folder / name).is_file() else None
        for name in record.files
    }
    expected = official_md5(record.name) if record.official else {}
    differing = tuple(sorted(name for name, md5 in expected.items() if now.get(name) != md5))
    changed = tuple(sorted(name for name, file in record.files.items() if now[name] != file.md5))
    status = UNVERIFIED if differing else VERIFIED
    return TaskVerification(
        name=record.name,
        status=status if expected else NO_OFFICIAL_FILES,
        matching=len(expected) - len(differing),
        of=len(expected),
        differing=differing,
        changed=changed,
    )
