"""Where rows come from: the interface of a source, and the mirror (a folder of parquet files)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow
from pyarrow import parquet

from dpf_core.errors import ConfigError, GymError
from dpf_core.gym.spec import TaskSpec
from dpf_core.naming import nearest

SOURCES = ("starter", "mirror", "hub")
FOLDER_SOURCES = ("mirror", "hub")
"""Sources that can be given a folder."""
_BATCH_ROWS = 4096
_BUFFER_BYTES = 1 << 20  # without it a whole column of a row group is read at once


class Source(Protocol):
    """A place that has the rows of tasks. It must be picklable: builders run in processes."""

    @property
    def name(self) -> str:
        """`starter`, `mirror`, `incoming`, ..., as the manifest names it."""

    def rows(self, spec: TaskSpec, split: str) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of one split in the source's order, each with the columns of the spec.

        Raises:
            GymError: The split is absent or damaged, or lacks a column.
        """

    def files(self, spec: TaskSpec) -> dict[str, Path]:
        """Return the files that the task's rows come from, by a name without machine paths."""

    def dropped(self, spec: TaskSpec) -> dict[str, int]:
        """Return how many examples the source itself leaves out of the task, by reason."""


class MirrorSource:
    """Public data sets in a folder: `<id>/<configuration or default>/<split>.parquet`."""

    name = "mirror"

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def files(self, spec: TaskSpec) -> dict[str, Path]:
        """Return the parquet files of the task's splits by their place in the mirror."""
        folder = f"{spec.source_id}/{spec.source_config or 'default'}"
        keys = [f"{folder}/{split}.parquet" for split in spec.splits]
        return {key: self.directory / key for key in keys}

    def dropped(self, spec: TaskSpec) -> dict[str, int]:
        """Return nothing: a mirror has every row."""
        return {}

    def rows(self, spec: TaskSpec, split: str) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of one parquet file, a batch at a time; only the spec's columns are read.

        Raises:
            GymError: The file is absent or damaged, or lacks a column.
        """
        key = f"{spec.source_id}/{spec.source_config or 'default'}/{split}.parquet"
        where = f"task {spec.name!r}, split {split!r}"
        try:
            with parquet.ParquetFile(self.directory / key, buffer_size=_BUFFER_BYTES) as file:
                present = file.schema_arrow.names
                _check_columns(where, key, spec.columns, present)
                columns = [*spec.columns, *(c for c in spec.optional_columns if c in present)]
                for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
                    yield from plain_rows(batch, f"{where}: {key}")
        except (OSError, UnicodeDecodeError, pyarrow.ArrowException) as error:
            reason = " ".join(str(error).split())
            raise GymError(
                f"{where}: {key} must be a complete parquet file in the mirror, got: {reason}. "
                "Copy the file again, or leave the task out."
            ) from error


def plain_rows(batch: pyarrow.RecordBatch | pyarrow.Table, where: str) -> list[dict[str, Any]]:
    """Return the rows of a batch as Python values.

    Raises:
        GymError: A value is damaged: text that is not UTF-8, or a number or time out of range.
    """
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except (UnicodeDecodeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise GymError(
            f"{where} must hold whole values, got: {reason}. Copy the file again, or leave the "
            "task out."
        ) from error
    return rows


def open_source(name: str, *, mirror_dir: Path | None) -> Source:
    """Return the source of that name.

    Args:
        name: One of `SOURCES`.
        mirror_dir: The mirror's folder, which `mirror` needs; for `hub` a folder of data-set
            repositories that is read in its place.

    Raises:
        ConfigError: The name is unknown, or its folder is absent.
    """
    if name == "starter":
        from dpf_core.gym.starter import StarterSource

        return StarterSource()
    if name == "mirror":
        return MirrorSource(_mirror_folder(mirror_dir))
    if name == "hub":
        from dpf_core.gym.hub import HubSource

        return HubSource(None if mirror_dir is None else _mirror_folder(mirror_dir))
    raise ConfigError(
        f"the source must be one of {', '.join(SOURCES)}, got {name!r}.{nearest(name, SOURCES)} "
        "Correct it."
    )


def missing_reason(source: Source, spec: TaskSpec) -> str | None:
    """Return why the source cannot give a task's files, None if it can; the hub downloads them."""
    try:
        absent = absent_files(source, spec)
    except GymError as error:
        return str(error)
    return f"{source.name} lacks {', '.join(absent)}" if absent else None


def absent_files(source: Source, spec: TaskSpec) -> tuple[str, ...]:
    """Return the names of the task's files that the source lacks."""
    return tuple(key for key, path in source.files(spec).items() if not path.is_file())


def _mirror_folder(mirror_dir: Path | None) -> Path:
    if mirror_dir is None:
        raise ConfigError(
            "the source mirror must have a folder, got none. Set ingest.mirror_dir in params.yaml, "
            "or pass --mirror DIR."
        )
    if not mirror_dir.is_dir():
        raise ConfigError(
            f"the mirror must be an existing folder, got {str(mirror_dir)!r}. Correct "
            "ingest.mirror_dir or --mirror."
        )
    return mirror_dir


def _check_columns(where: str, key: str, wanted: tuple[str, ...], present: list[str]) -> None:
    for column in wanted:
        if column not in present:
            raise GymError(
                f"{where}: {key} must have the column {column!r}, got {', '.join(present)}."
                f"{nearest(column, present)} Use a file with the data set's original columns."
            )
