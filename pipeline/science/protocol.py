"""Opening the science: settings, rows and machine, checked before anything is trained.

What was checked stands in `protocol.json`: hashes and counts of the rows, and the leaks looked for.
"""

import os
from dataclasses import asdict
from typing import Any

from dpf_core.config_reading import to_mapping
from dpf_core.files import sha256_file, write_json
from dpf_core.gym.manifest import MANIFEST_FILE
from pipeline.science.environment import Environment
from pipeline.science.jobs import Place
from pipeline.science.keys import data_key, source_data_key
from pipeline.science.layout import Layout
from pipeline.science.records import read_record
from pipeline.science.rows import (
    MIRROR,
    MIRROR_VARIABLE,
    ScienceGym,
    build_science_gym,
    check_leaks,
    check_rows,
    check_served,
    open_gym,
)
from pipeline.science.settings import ScienceSettings
from pipeline.science.settings_file import load_science


def open_place(
    layout: Layout,
    *,
    mirror: str | None,
    jobs: int,
    record: bool = True,
    source: str = MIRROR,
) -> Place:
    """Return where cells run, after every check that needs no training.

    The search for leaks reads all training rows, so it is made once for a gym.

    Args:
        layout: Files and folders.
        mirror: Folder of parquet files, for rows that are not there yet.
        jobs: Processes that look for leaks.
        record: Write what was checked, where no record says it.
        source: Of rows that are not there yet, see `rows.build_science_gym`.

    Raises:
        ConfigError: Settings are wrong, source and target sets overlap, or a mirror is needed.
            The backbone's family cannot serve a method.
        GymError: A seed has no file, a target no dev rows, or a source holds rows of a target; or
            the backbone cannot serve a task.
    """
    settings = load_science(layout.params)
    gym = open_gym(layout.gym, settings.gym, mirror, source)
    check_rows(gym, settings.gym)
    check_served(gym, settings)
    found = _found(gym, settings)
    earlier = read_record(layout.protocol)
    if earlier is None or any(earlier.get(part) != value for part, value in found.items()):
        if record:
            write_protocol(layout, settings, gym, jobs=jobs)
        else:
            check_leaks(gym, settings.gym, jobs=jobs)
    return Place(settings=settings, layout=layout, gym=gym, environment=Environment.here(settings))


def build_protocol(
    layout: Layout, *, mirror: str | None, jobs: int, source: str = MIRROR
) -> dict[str, Any]:
    """Check the rows and record them; with a mirror or the hub, build first what has changed there.

    Raises:
        DPFError: As `open_place`.
    """
    settings = load_science(layout.params)
    has_rows = source != MIRROR or mirror or os.environ.get(MIRROR_VARIABLE)
    gym = (build_science_gym if has_rows else open_gym)(layout.gym, settings.gym, mirror, source)
    check_rows(gym, settings.gym)
    check_served(gym, settings)
    return write_protocol(layout, settings, gym, jobs=jobs)


def write_protocol(
    layout: Layout, settings: ScienceSettings, gym: ScienceGym, *, jobs: int
) -> dict[str, Any]:
    """Look for leaks and write what was checked.

    Raises:
        GymError: A source holds rows of a target.
        OSError: The file cannot be written.
    """
    leaks = check_leaks(gym, settings.gym, jobs=jobs)
    record = {**_found(gym, settings), "leaks": leaks}
    layout.protocol.parent.mkdir(parents=True, exist_ok=True)
    write_json(layout.protocol, record)
    return record


def _found(gym: ScienceGym, settings: ScienceSettings) -> dict[str, Any]:
    """Return what the record says besides leaks."""
    sets = settings.gym
    manifest = sha256_file(gym.folder / MANIFEST_FILE)
    return {
        "asked": {"gym_manifest_sha256": manifest, "gym": to_mapping(sets)},
        "targets": {
            name: _counts(gym, name)
            | {"data": {str(seed): data_key(gym, name, seed) for seed in sets.seeds}}
            for name in sets.targets
        },
        "sources": {
            name: _counts(gym, name) | {"data": source_data_key(gym, name)} for name in sets.sources
        },
    }


def _counts(gym: ScienceGym, name: str) -> dict[str, Any]:
    record = gym.task(name)
    return {
        "kind": record.kind,
        "metric": record.metric,
        "shots": record.shots,
        "status": record.status,
        "licence": record.licence,
        **asdict(record.rows),
    }
