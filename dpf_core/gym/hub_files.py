"""Which files of a data-set repository hold one configuration's splits, and reading them.

A repository is read as data: as the head of its README states, or, on the hub's export branch,
which has no README, by the place of each file. A loading script is neither fetched nor run.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow

from dpf_core.errors import GymError
from dpf_core.gym.hub_repository import README, Repository
from dpf_core.gym.hub_table import EXPORT, HubEntry
from dpf_core.naming import nearest

READERS = {".parquet": "parquet", ".json": "json", ".jsonl": "json", ".csv": "csv"}
"""Suffixes of the data files that are read, and what in `datasets` reads them."""
_CURE = (
    f"Use the hub's parquet export (revision {EXPORT}) in crossfit/hub.tsv, or the source mirror."
)

_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.\w+")
"""How the hub names one of several files of a split."""

Files = dict[str, list[str]]
"""The paths of a configuration's data files by split."""


def data_files(entry: HubEntry, repository: Repository) -> Files:
    """Return the data files of the entry's configuration, by the hub's names of the splits.

    Raises:
        GymError: The repository has a loading script instead of data, lacks the configuration, or,
            as an export, a file of it.
    """
    paths = repository.paths()
    script = f"{PurePosixPath(entry.hub_id).name}.py"
    if script in paths:
        raise GymError(
            f"{entry.hub_id} at {entry.revision} must hold data files alone, got the loading "
            f"script {script}, which is never run. {_CURE}"
        )
    if README not in paths:
        return _without_gaps(_choose(entry, _exported(paths)), repository)
    return _choose(entry, _stated(repository, paths))


def load_split(repository: Repository, split: str, paths: Sequence[str], where: str) -> Any:
    """Return a `datasets.Dataset` of one split; its rows stay on disk.

    Raises:
        GymError: A file is damaged, missing among its shards, or of a kind that is not read.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    _check_shards(repository, paths, where)
    folder = repository.fetch(paths)
    files = {split: [str(folder / path) for path in paths]}
    try:
        return load_dataset(_reader(paths, where), data_files=files, split=split)
    except (DatasetsError, pyarrow.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise GymError(
            f"{where}: {repository.name} must have complete files, got: {reason} (in "
            f"{', '.join(paths)}). Remove the copy in the cache so that it is downloaded again, or "
            "use the source mirror."
        ) from error


def _check_shards(repository: Repository, paths: Sequence[str], where: str) -> None:
    """Refuse a split of which the hub's numbering says that a file is missing."""
    stems = {(stem, total) for stem, _, total in _shards(paths)}
    there = _shards(repository.paths()) if stems else []
    for stem, total in stems:
        have = {number for other, number, of in there if (other, of) == (stem, total)}
        if len(have) != int(total):
            raise GymError(
                f"{where}: {repository.name} must have all {int(total)} files {stem}-*-of-{total}, "
                f"got {len(have)}. Download the rest, or use the source mirror."
            )


def _shards(paths: Sequence[str]) -> list[tuple[str | Any, ...]]:
    """Return stem, number and total of each path that is one of several files."""
    return [found.groups() for path in paths if (found := _SHARD.fullmatch(path))]


def _reader(paths: Sequence[str], where: str) -> str:
    suffixes = {PurePosixPath(path).suffix for path in paths}
    readers = {READERS.get(suffix, suffix) for suffix in suffixes}
    if len(readers) != 1 or not suffixes <= READERS.keys():
        raise GymError(
            f"{where}: the data files must all be of one kind of {', '.join(READERS)}, got "
            f"{', '.join(sorted(suffixes))}. {_CURE}"
        )
    return readers.pop()


def _exported(paths: Sequence[str]) -> dict[str, Files]:
    """Return the files `<config>/<split>/<number>.parquet` of an export."""
    found: dict[str, Files] = {}
    for path in map(PurePosixPath, paths):
        if path.suffix == ".parquet" and len(path.parts) == 3:
            config, split, _ = path.parts
            found.setdefault(config, {}).setdefault(split, []).append(str(path))
    return found


def _without_gaps(found: Files, repository: Repository) -> Files:
    """Return the files of an export, of which those of a split are numbered from 0000."""
    for split, files in found.items():
        names = sorted(PurePosixPath(path).name for path in files)
        if names != [f"{number:04}.parquet" for number in range(len(names))]:
            raise GymError(
                f"{repository.name}: an export of the hub must hold the split {split!r} as files "
                f"from 0000.parquet on without a gap, got {', '.join(names[:5])}. Download the "
                "rest, or use the source mirror."
            )
    return found


def _head(repository: Repository) -> Mapping[str, Any]:
    import yaml
    from huggingface_hub import metadata_load

    try:
        return metadata_load(repository.fetch([README]) / README) or {}
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise GymError(
            f"{repository.name}: the head of {README} must be YAML, got: {reason}. {_CURE}"
        ) from error


def _stated(repository: Repository, paths: Sequence[str]) -> dict[str, Files]:
    """Return the files of each configuration that the README's `configs` states."""
    try:
        patterns = _configs(_head(repository).get("configs") or [])
    except (AttributeError, KeyError, TypeError) as error:
        raise _unclear(repository, f"an entry that is not of that form ({error})") from error
    except ValueError as error:
        raise _unclear(repository, str(error)) from error
    if not any(patterns.values()):
        raise _unclear(repository, "none")
    try:
        return {
            config: {
                split: [path for path in paths if any(_matches(path, glob) for glob in globs)]
                for split, globs in splits.items()
            }
            for config, splits in patterns.items()
        }
    except ValueError as error:
        raise _unclear(repository, str(error)) from error


def _matches(path: str, glob: str) -> bool:
    """Tell whether a pattern means a path, as `datasets` reads it.

    Only ** crosses folders; what is hidden or about the repository is meant by its name alone.

    Raises:
        ValueError: ** stands within a word.
    """
    from datasets.data_files import FILES_TO_IGNORE
    from fsspec.utils import glob_translate

    glob, parts = glob.removeprefix("./"), PurePosixPath(path).parts
    if parts[-1] in FILES_TO_IGNORE and PurePosixPath(glob).name != parts[-1]:
        return False
    if any(part.startswith((".", "__")) and part not in glob for part in parts):
        return False
    return re.match(glob_translate(glob), path) is not None


def _unclear(repository: Repository, got: str) -> GymError:
    return GymError(
        f"{repository.name}: {README} must state the data files of each configuration once "
        f"(`configs`, with `config_name` and `data_files`), got {got}. {_CURE}"
    )


def _configs(items: Any) -> dict[str, Files]:
    """Return glob patterns by configuration and split.

    Raises:
        ValueError: A configuration or a split is stated twice.
    """
    patterns: dict[str, Files] = {}
    for item in items:
        name = item.get("config_name", "default")
        if name in patterns:
            raise ValueError(f"two configurations {name!r}")
        patterns[name] = _by_split(item.get("data_files"))
    return patterns


def _by_split(files: Any) -> Files:
    """Return glob patterns by split, from each form that `data_files` may have."""
    if isinstance(files, dict):
        return {split: _as_list(globs) for split, globs in files.items()}
    items = _as_list(files)
    if not any(isinstance(item, dict) for item in items):
        return {"train": items} if items else {}
    found: Files = {}
    for item in items:
        if item["split"] in found:
            raise ValueError(f"two splits {item['split']!r} of a configuration")
        found[item["split"]] = _as_list(item["path"])
    return found


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _choose(entry: HubEntry, found: Mapping[str, Files]) -> Files:
    wanted = entry.hub_config
    if wanted is None and len(found) == 1:
        return next(iter(found.values()))
    if wanted is not None and wanted in found:
        return found[wanted]
    what = f"the configuration {wanted!r}" if wanted else "exactly one configuration"
    raise GymError(
        f"{entry.hub_id} at {entry.revision} must have {what}, got "
        f"{', '.join(sorted(found)) or 'no data file'}.{nearest(wanted or '', found)} Correct the "
        "line in crossfit/hub.tsv, or use the source mirror."
    )
