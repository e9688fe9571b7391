"""Where each source is on the hub today: the table `crossfit/hub.tsv`, whose columns are here."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

EXPORT = "refs/convert/parquet"
"""The hub's own parquet export of a data set: a branch with `<config>/<split>/<number>.parquet`."""
STATUSES = {
    "available": "the data set's own repository holds its rows as data files",
    "script-only": "the repository holds a loading script; rows come from the hub's parquet export",
    "unchecked": "whether the repository holds data or a script was not seen; rows come from the "
    "hub's parquet export",
    "copy": "the original cannot be read without its script; rows come from somebody's copy",
    "changed": "rows or columns are known to differ from those that CrossFit used",
    "gated": "terms must be accepted on the hub before anything can be downloaded",
    "gone": "the rows cannot be had from the hub",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class HubEntry:
    """One line of the table: a source as CrossFit named it, and what the hub has of it."""

    source_id: str
    source_config: str | None
    hub_id: str
    """The repository, `namespace/name`; empty if the source is gone."""
    hub_config: str | None
    """A configuration of the repository; None is its only one."""
    revision: str
    """A commit where one is known, else the branch `EXPORT`, which can move."""
    splits: Mapping[str, str]
    """The hub's name of each of CrossFit's splits that is named otherwise there."""
    columns: Mapping[str, str]
    """The hub's name of each column that is named otherwise there."""
    labels: Mapping[str, tuple[str, ...]]
    """For each column whose numbers mean other labels there than in CrossFit's time: the labels in
    the order of the hub's numbers. They stand in the rows in place of the numbers."""
    status: str
    """One of `STATUSES`."""
    confirmed: bool
    """Whether the id was seen in public evidence; no row was downloaded to check it."""
    note: str


@cache
def hub_table() -> dict[tuple[str, str | None], HubEntry]:
    """Return the table's entries by source id and configuration."""
    text = resources.files("dpf_core.gym").joinpath("crossfit", "hub.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    entries = [_entry(row) for row in rows]
    return {(entry.source_id, entry.source_config): entry for entry in entries}


def _entry(row: dict[str, str]) -> HubEntry:
    return HubEntry(
        source_id=row["source_id"],
        source_config=row["source_config"] or None,
        hub_id=row["hub_id"],
        hub_config=row["hub_config"] or None,
        revision=row["revision"],
        splits=_renames(row["splits"]),
        columns=_renames(row["columns"]),
        labels={key: tuple(value.split(",")) for key, value in _renames(row["labels"]).items()},
        status=row["status"],
        confirmed=row["confirmed"] == "yes",
        note=row["note"],
    )


def _renames(text: str) -> dict[str, str]:
    """Return `ours=theirs` pairs, separated by blanks."""
    return dict(pair.split("=", 1) for pair in text.split())
