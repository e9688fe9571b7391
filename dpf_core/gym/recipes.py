"""What a built task depends on, and taking over tasks whose recipe has not changed.

A recipe is the hash of a task's specification, its source files and the code that builds. The
recipes of a gym lie in a hidden file beside its folder, not in it: a change of code that changes no
row changes no byte of the gym.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from dpf_core.errors import GymError
from dpf_core.files import read_json, sha256_file, write_json
from dpf_core.gym.manifest import TaskRecord, record_to_json
from dpf_core.gym.reader import load_manifest
from dpf_core.gym.task_spec import TaskSpec

FORMAT = "dpf-recipes/1"


def recipe(source_name: str, spec: TaskSpec, source_files: Mapping[str, str]) -> str:
    """Return the hash of all that a task's files follow from.

    Args:
        source_name: The source's name.
        spec: The task.
        source_files: SHA-256 of each source file, as in the manifest.
    """
    parts = {
        "code": code_hash(),
        "source": source_name,
        "files": dict(source_files),
        "spec": asdict(spec),
    }
    return _hash(parts)


@cache
def code_hash() -> str:
    """Return the hash of this package's code."""
    digest = hashlib.sha256()
    for name, file in _python_files(resources.files("dpf_core.gym"), ""):
        digest.update(f"{name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def recipes_path(directory: Path) -> Path:
    """Return the file beside a gym's folder that holds the recipes of its tasks."""
    directory = Path(directory).resolve()
    return directory.with_name(f".{directory.name}.recipes.json")


def write_recipes(directory: Path, recipes: Mapping[str, str], records: list[TaskRecord]) -> None:
    """Write the recipe of each task beside the gym, with the hash of the record it led to."""
    tasks = {
        record.name: {"recipe": recipes[record.name], "record": _hash(record_to_json(record))}
        for record in records
    }
    write_json(recipes_path(directory), {"format": FORMAT, "tasks": tasks})


@dataclass(frozen=True, slots=True)
class EarlierGym:
    """The tasks of an earlier build that can be taken over."""

    directory: Path
    records: Mapping[str, TaskRecord]
    recipes: Mapping[str, str]

    @classmethod
    def open(cls, directory: Path) -> "EarlierGym":
        """Return the gym in a folder; one without tasks if there is none with valid recipes.

        A record counts only if it is the one that the recipe led to: a folder that was exchanged
        since, as by a checkout, is built anew.
        """
        try:
            records = {record.name: record for record in load_manifest(directory).tasks}
            recipes = _read_recipes(recipes_path(directory), records)
        except (GymError, OSError, ValueError):
            return cls(Path(directory), {}, {})
        return cls(Path(directory), records, recipes)

    def take(self, name: str, wanted: str, out_dir: Path) -> TaskRecord | None:
        """Bring a task's files into another gym and return its record, or None if it has changed.

        Args:
            name: The task.
            wanted: The recipe that it must have.
            out_dir: The other gym, on the same disk if the files are to be shared.
        """
        if self.recipes.get(name) != wanted or not self._is_whole(name):
            return None
        folder = out_dir / name
        folder.mkdir()
        for file in self.records[name].files:
            _share(self.directory / name / file, folder / file)
        return self.records[name]

    def _is_whole(self, name: str) -> bool:
        files = self.records[name].files
        folder = self.directory / name
        return all(
            (folder / file).is_file() and sha256_file(folder / file) == record.sha256
            for file, record in files.items()
        )


def _read_recipes(path: Path, records: Mapping[str, TaskRecord]) -> dict[str, str]:
    value = read_json(path)
    tasks = value.get("tasks") if isinstance(value, dict) else None
    if not isinstance(tasks, dict) or value.get("format") != FORMAT:
        return {}
    return {
        name: entry["recipe"]
        for name, entry in tasks.items()
        if name in records
        and isinstance(entry, dict)
        and entry.get("record") == _hash(record_to_json(records[name]))
        and isinstance(entry.get("recipe"), str)
    }


def _share(earlier: Path, later: Path) -> None:
    try:
        os.link(earlier, later)
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(earlier, later)


def _python_files(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            found += _python_files(item, f"{prefix}{item.name}/")
        elif item.name.endswith(".py"):
            found.append((prefix + item.name, item))
    return found


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()
