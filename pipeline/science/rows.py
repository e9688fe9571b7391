"""The gym of targets and sources: built once, and checked before anything is trained.

What needs no row (names, roles, related tasks) is checked in `sets.py`.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpf_core.backbone.families import SERVED_KINDS, check_attention, family_of
from dpf_core.backbone.files import resolve_directory
from dpf_core.errors import ConfigError, GymError
from dpf_core.files import read_json, sha256_file
from dpf_core.gym.build import build_gym
from dpf_core.gym.catalogue import select_tasks
from dpf_core.gym.leak_report import Leak
from dpf_core.gym.leaks import find_leaks
from dpf_core.gym.manifest import MANIFEST_FILE, Manifest, TaskRecord
from dpf_core.gym.official import few_shot_file, full_train_file
from dpf_core.gym.reader import Row, load_manifest, read_split
from dpf_core.gym.sources import Source, open_source
from pipeline.science.settings import GymSettings, ScienceSettings, check_choice

MIRROR_VARIABLE = "DPF_MIRROR"
MIRROR, HUB = SOURCES = ("mirror", "hub")
"""Where CrossFit's rows can come from; whichever it is, the manifest says how they compare with the
official files."""


@dataclass(frozen=True, slots=True)
class ScienceGym:
    """A built gym that holds at least the tasks of the science."""

    folder: Path
    manifest: Manifest

    def task(self, name: str) -> TaskRecord:
        """Return what the manifest says of a task."""
        return self.manifest.task(name)

    def rows(self, task: str, split: str, seed: int | None = None) -> list[Row]:
        """Return the rows of one of a task's files.

        Raises:
            GymError: There is none for the seed, or it is not what the manifest says.
        """
        self.check_file(task, split, seed)
        return read_split(self.folder, self.task(task), split, seed)

    def sha256(self, task: str, split: str, seed: int | None = None) -> str:
        """Return what the manifest says of a file's bytes.

        Raises:
            GymError: There is none for the seed.
        """
        record = self.task(task)
        return record.files[_file_name(record, split, seed)].sha256

    def check_file(self, task: str, split: str, seed: int | None = None) -> None:
        """Return if a file is what the manifest says.

        Raises:
            GymError: There is none for the seed, or its bytes have changed.
        """
        wanted = self.sha256(task, split, seed)
        path = self.folder / task / _file_name(self.task(task), split, seed)
        found = sha256_file(path) if path.is_file() else "no such file"
        if found != wanted:
            raise GymError(
                f"a file of the gym must have the SHA-256 {wanted} as the manifest says, got "
                f"{found} ({path}). Remove {self.folder}; it is built again."
            )


def open_gym(
    folder: Path, settings: GymSettings, mirror: str | None, source: str = MIRROR
) -> ScienceGym:
    """Return the gym, built where it is not there or lacks a task.

    Args:
        folder: Of the gym.
        settings: Its tasks.
        mirror: Folder of parquet files; None for the one that the environment names, if any.
        source: Where rows come from, one of SOURCES; see `build_science_gym`.

    Raises:
        ConfigError: Rows are needed and no mirror is named.
        GymError: A task cannot be built.
    """
    wanted = {*settings.targets, *settings.sources}
    if (folder / MANIFEST_FILE).is_file():
        manifest = load_manifest(folder)
        if wanted <= {task.name for task in manifest.tasks}:
            return ScienceGym(folder, manifest)
    return build_science_gym(folder, settings, mirror, source)


def build_science_gym(
    folder: Path, settings: GymSettings, mirror: str | None, source: str = MIRROR
) -> ScienceGym:
    """Build the gym; tasks of an earlier one that did not change are taken over.

    Args:
        folder: Of the gym.
        settings: Its tasks.
        mirror: Folder of parquet files; of the source hub, a folder of its repositories that is
            read in its place.
        source: One of SOURCES. The hub is asked for what its cache does not hold.

    Raises:
        ConfigError: There is no such source, or no mirror is named.
        GymError: A task cannot be built.
    """
    rows = _open_source(folder, mirror, source)
    selection = select_tasks(rows, sorted({*settings.targets, *settings.sources}))
    folder.parent.mkdir(parents=True, exist_ok=True)
    return ScienceGym(folder, build_gym(rows, selection.specs, folder))


def _open_source(folder: Path, mirror: str | None, name: str) -> Source:
    check_choice(name, SOURCES, "--source")
    if name == HUB:
        return open_source(HUB, mirror_dir=Path(mirror) if mirror else None)
    mirror = mirror or os.environ.get(MIRROR_VARIABLE)
    if not mirror:
        raise ConfigError(
            f"the rows of CrossFit's tasks must come from a mirror, got none ({folder} does not "
            f"hold all tasks). Name it with --mirror DIR or {MIRROR_VARIABLE}: a folder of "
            "parquet files, <source id>/<config or default>/<split>.parquet. Or take them from the "
            "hub, with --source hub."
        )
    return open_source(MIRROR, mirror_dir=Path(mirror))


def check_rows(gym: ScienceGym, settings: GymSettings) -> None:
    """Return if every target has few-shot files with rows for every seed, and a test file.

    Raises:
        GymError: A seed has no file, or a target no dev or test rows.
    """
    for name in settings.targets:
        record = gym.task(name)
        for seed in settings.seeds:
            for split in ("train", "dev", "test"):
                file = _file_name(record, split, seed)
                if not record.files[file].rows:
                    raise GymError(
                        f"a target must have {split} rows, got 0 ({name}, {file}). Remove it from "
                        "gym.targets of the science's parameters, or correct its source."
                    )


def check_served(gym: ScienceGym, settings: ScienceSettings) -> None:
    """Return if the backbone's family can serve every task and method.

    Args:
        gym: Built.
        settings: Of the science.

    Raises:
        ConfigError: There is no such family, or it has another attention or no use for a method.
        GymError: A task wants free text, which an encoder cannot write.
    """
    path = resolve_directory(settings.backbone) / "config.json"
    model_type = _model_type(path)
    family = family_of(model_type, str(path))
    check_attention(settings.backbone, family, model_type)
    served = SERVED_KINDS[family.kind]
    for role in ("targets", "sources"):
        names: tuple[str, ...] = getattr(settings.gym, role)
        if refused := [name for name in names if gym.task(name).kind not in served]:
            raise GymError(
                f"the {role} of a {model_type} backbone must be {' or '.join(served)}, got "
                f"{gym.task(refused[0]).kind} ({', '.join(refused)}). Remove them from gym.{role} "
                "of the science's parameters, or name a decoder or encoder-decoder there."
            )
    models = {f"methods.{name}": part.model for name, part in settings.methods.items()}
    models |= {f"sources.{name}": part.model for name, part in settings.sources.items()}
    headless = [place for place, model in models.items() if model.method == "heads_only"]
    if headless and family.kind != "encoder":
        raise ConfigError(
            f"a method must be any but heads_only for a {model_type} backbone, which has no head, "
            f"got it ({', '.join(headless)} of the science's parameters). Remove it."
        )


def _model_type(path: Path) -> str:
    try:
        return str(read_json(path)["model_type"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(
            f"a backbone's config.json must say its model_type, got {type(error).__name__}: "
            f"{error} ({path}). Name a backbone that is whole (backbone.name of "
            "the science's parameters)."
        ) from error


def check_leaks(gym: ScienceGym, settings: GymSettings, *, jobs: int) -> list[dict[str, Any]]:
    """Return the leaks from sources to targets that are small enough to stay, as JSON values.

    Raises:
        GymError: A source holds more of a target's rows than the settings allow.
    """
    report = find_leaks(gym.folder, min_similarity=settings.min_similarity, jobs=jobs)
    crossing = [
        leak
        for leak in report.leaks
        if leak.source in settings.sources and leak.target in settings.targets
    ]
    refused = [leak for leak in crossing if leak.share > settings.max_leak_fraction]
    if refused:
        sources = ", ".join(sorted({leak.source for leak in refused}))
        raise GymError(
            f"sources must hold at most {settings.max_leak_fraction:.1%} of a target's test or "
            f"few-shot rows, got {'; '.join(map(_describe, refused))}. Remove from gym.sources of "
            f"the science's parameters: {sources}."
        )
    return [leak.to_json() for leak in crossing]


def _describe(leak: Leak) -> str:
    return (
        f"{leak.test.share:.1%} of the test and {leak.few_shot.share:.1%} of the few-shot rows of "
        f"{leak.target} in {leak.source}"
    )


def _file_name(record: TaskRecord, split: str, seed: int | None) -> str:
    if split == "full_train":
        return full_train_file(record.name)
    assert seed is not None, "few-shot files are named by their seed"
    name = few_shot_file(record.name, record.shots, seed, split)
    if name not in record.files:
        raise GymError(
            f"a seed must be one that the task has files for, {', '.join(record.rows.train)}, got "
            f"{seed} ({record.name}, no {name}). Correct the seed, or gym.seeds of "
            "the science's parameters."
        )
    return name
