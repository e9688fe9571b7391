"""The hub as a source: rows of public data-set repositories, at the revisions of `hub_table`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dpf_core.errors import GymError
from dpf_core.gym.hub_files import Files, data_files, load_split
from dpf_core.gym.hub_repository import (
    FolderRepository,
    HubRepository,
    Repository,
    UnreachableError,
    explained,
)
from dpf_core.gym.hub_table import HubEntry, hub_table
from dpf_core.gym.sources import plain_rows
from dpf_core.gym.spec import TaskSpec
from dpf_core.naming import nearest

_BATCH_ROWS = 4096
Key = tuple[str, str | None]


class HubSource:
    """Data sets of the hub, by CrossFit's own ids; what is downloaded stays in the hub's cache.

    Args:
        directory: A folder of data-set repositories, `<namespace>/<name>/`, read in place of the
            hub. Without it the hub is asked, or its cache alone where HF_HUB_OFFLINE is set.
        table: The entries by source id and configuration; `hub_table()` if None.
    """

    name = "hub"

    def __init__(
        self, directory: Path | None = None, *, table: Mapping[Key, HubEntry] | None = None
    ) -> None:
        self.directory = directory
        self.table = hub_table() if table is None else table
        self._opened: dict[Key, tuple[Repository, Files]] = {}
        self._cache_only = False

    def files(self, spec: TaskSpec) -> dict[str, Path]:
        """Return the task's data files by repository, commit and path; download what is missing.

        Raises:
            GymError: The source is not on the hub, or its files cannot be had.
        """
        entry = self._entry(spec)
        with self._asking(spec, entry):
            repository = self._open(spec, entry)[0]
            by_split = [self._paths(spec, split) for split in spec.splits]
            folders = [(repository.fetch(paths), paths) for paths in by_split]
        return {
            f"{repository.name}/{path}": folder / path
            for folder, paths in folders
            for path in paths
        }

    def dropped(self, spec: TaskSpec) -> dict[str, int]:
        """Return nothing: a data set has every row."""
        return {}

    def rows(self, spec: TaskSpec, split: str) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of one split, a batch at a time; only the spec's columns are read.

        Raises:
            GymError: The split, a column or a file is missing, or a file is damaged.
        """
        entry, where = self._entry(spec), f"task {spec.name!r}, split {split!r}"
        with self._asking(spec, entry):
            repository = self._open(spec, entry)[0]
            paths = self._paths(spec, split)
            dataset = load_split(repository, entry.splits.get(split, split), paths, where)
        theirs = _columns(spec, entry, dataset.column_names, f"{where}: {repository.name}")
        table = dataset.select_columns(list(dict.fromkeys(theirs.values()))).with_format("arrow")
        for batch in table.iter(_BATCH_ROWS):
            for row in plain_rows(batch, f"{where}: {repository.name}"):
                ours = {column: row[name] for column, name in theirs.items()}
                yield ours | _labelled(ours, entry, where)

    def _entry(self, spec: TaskSpec) -> HubEntry:
        entry = self.table.get((spec.source_id, spec.source_config))
        if entry is None or entry.status == "gone":
            reason = entry.note if entry else "no line of crossfit/hub.tsv"
            raise GymError(
                f"task {spec.name!r}: the source {spec.source_name!r} must be on the hub, got: "
                f"{reason.rstrip('.')}. Use the source mirror, or leave the task out."
            )
        return entry

    @contextmanager
    def _asking(self, spec: TaskSpec, entry: HubEntry) -> Iterator[None]:
        """Explain failures; after one for want of a connection, ask nothing but the cache.

        The client tries again for half a minute before it gives up, which would add up over tasks.
        """
        try:
            with explained(f"task {spec.name!r}: {entry.hub_id} at {entry.revision}"):
                yield
        except UnreachableError:
            self._cache_only = True
            raise

    def _open(self, spec: TaskSpec, entry: HubEntry) -> tuple[Repository, Files]:
        key = (spec.source_id, spec.source_config)
        if key not in self._opened:
            repository = self._repository(entry)
            self._opened[key] = repository, data_files(entry, repository)
        return self._opened[key]

    def _repository(self, entry: HubEntry) -> Repository:
        if self.directory is None:
            return HubRepository(entry.hub_id, entry.revision, cache_only=self._cache_only)
        folder = self.directory / entry.hub_id
        if not folder.is_dir():
            raise GymError(
                f"the folder of data sets must have {entry.hub_id}, got no such folder. Download "
                f"the repository at {entry.revision}, or leave its tasks out."
            )
        return FolderRepository(folder, entry.hub_id)

    def _paths(self, spec: TaskSpec, split: str) -> Sequence[str]:
        entry = self._entry(spec)
        repository, files = self._open(spec, entry)
        theirs = entry.splits.get(split, split)
        if not files.get(theirs):
            present = [name for name, paths in files.items() if paths]
            raise GymError(
                f"task {spec.name!r}, split {split!r}: {repository.name} must have the split "
                f"{theirs!r}, got {', '.join(present) or 'none'}.{nearest(theirs, present)} "
                "Correct its line in crossfit/hub.tsv, or use the source mirror; a split named "
                "`partial-` is cut short and never used."
            )
        return files[theirs]


def _labelled(row: Mapping[str, Any], entry: HubEntry, where: str) -> dict[str, str]:
    """Return the label itself for each column that the hub has renumbered."""
    labelled = {}
    for column in row.keys() & entry.labels.keys():
        labels, number = entry.labels[column], row[column]
        if not isinstance(number, int) or not 0 <= number < len(labels):
            raise GymError(
                f"{where}: {entry.hub_id}, column {column!r} must hold numbers from 0 to "
                f"{len(labels) - 1}, got {number!r}. Correct its line in crossfit/hub.tsv, or use "
                "the source mirror."
            )
        labelled[column] = labels[number]
    return labelled


def _columns(spec: TaskSpec, entry: HubEntry, present: Sequence[str], where: str) -> dict[str, str]:
    """Return the hub's name of each column to read, by the spec's name."""
    theirs = {
        column: entry.columns.get(column, column)
        for column in (*spec.columns, *spec.optional_columns)
    }
    for column in spec.columns:
        if theirs[column] not in present:
            raise GymError(
                f"{where} must have the column {theirs[column]!r}, got {', '.join(present)}."
                f"{nearest(theirs[column], present)} Correct its line in crossfit/hub.tsv, or use "
                "the source mirror."
            )
    return {ours: name for ours, name in theirs.items() if name in present}
