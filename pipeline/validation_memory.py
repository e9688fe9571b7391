"""Reports of an earlier run, so that a changed gym has only its changed tasks checked again.

A task's report follows from its record, the bytes of its files, the limits and the code; it is kept
beside a hash of these, and read back only if the hash is the same.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dpf_core.files import read_json, sha256_file, write_json
from dpf_core.gym.manifest import record_to_json
from dpf_core.gym.reader import Manifest, TaskRecord
from pipeline.validation_config import ValidateConfig
from pipeline.validation_findings import Finding
from pipeline.validation_profile import Profile
from pipeline.validation_report import TaskReport

_CODE = ("expectations.py", "validation_*.py", "../dpf_core/gym/options.py")
_LIBRARIES = ("great-expectations", "pandas")
_SAME_FINDINGS = {"jobs", "leak_similarity", "warn_leak_fraction"}
"""Limits that change nothing in what is found in one task."""


def report_key(gym: Path, manifest: Manifest, task: TaskRecord, config: ValidateConfig) -> str:
    """Return the hash of all that a task's report follows from."""
    limits = {k: v for k, v in dataclasses.asdict(config).items() if k not in _SAME_FINDINGS}
    paths = {name: gym / task.name / name for name in task.files}
    found = {name: sha256_file(path) for name, path in paths.items() if path.is_file()}
    parts = [_code_hash(), limits, manifest.seeds, record_to_json(task), found]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def recall(folder: Path, task: TaskRecord, key: str) -> TaskReport | None:
    """Return the report that was kept under a key, or None if there is none that can be read."""
    try:
        value = read_json(folder / f"{task.name}.json")
        if value["key"] != key:
            return None
        return TaskReport(
            task=task,
            profile=Profile(**_frozen(value["profile"], keep={"rows"})),
            findings=tuple(Finding(**_frozen(finding)) for finding in value["findings"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(folder: Path, report: TaskReport, key: str) -> None:
    """Keep a report for the next run, in place of the task's earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    profile, findings = dataclasses.asdict(report.profile), map(dataclasses.asdict, report.findings)
    value = {"key": key, "profile": profile, "findings": list(findings)}
    write_json(folder / f"{report.task.name}.json", value)


def forget(folder: Path, others_than: Iterable[str]) -> None:
    """Remove the reports of tasks that the gym does not have any more."""
    for path in folder.glob("*.json"):
        if path.stem not in others_than:
            path.unlink()


@cache
def _code_hash() -> str:
    folder = Path(__file__).parent
    digest = hashlib.sha256(" ".join(map(version, _LIBRARIES)).encode())
    for path in sorted(path for pattern in _CODE for path in folder.glob(pattern)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _frozen(value: Mapping[str, Any], keep: Iterable[str] = ()) -> dict[str, Any]:
    """Return JSON's lists as the tuples that they were."""
    return {name: item if name in keep else _tuples(item) for name, item in value.items()}


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
