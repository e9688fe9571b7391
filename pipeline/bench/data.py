"""`dpf bench data`: building, validating and tokenising rows, per 10,000 of them.

Importing this imports Great Expectations, which takes seconds.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dpf_core.backbone.frozen import Backbone
from dpf_core.backbone.loading import load_backbone
from dpf_core.config import BackboneConfig
from dpf_core.examples import encode_rows, head_spec
from dpf_core.gym.build import build_gym
from dpf_core.gym.catalogue import select_tasks
from dpf_core.gym.reader import Manifest, Row, load_manifest, read_split
from dpf_core.gym.sources import open_source
from dpf_core.heads import HeadSpec
from pipeline.bench.clock import alternate
from pipeline.bench.machine import describe_machine
from pipeline.validation_config import ValidateConfig
from pipeline.validation_run import check_task
from pipeline.validation_table import row_table

PER_ROWS = 10_000
_STEPS = ("build", "validate", "tokenise")


def bench_data(
    gym: Path, mirror: Path | None, config: ValidateConfig, *, backbone: str, repeats: int
) -> dict[str, Any]:
    """Return seconds per 10,000 rows of building, validating and tokenising, in one process.

    Args:
        gym: A built gym, which is validated and tokenised.
        mirror: Where its tasks are built from again; None leaves building out.
        config: Of the validation; its `max_rows` bounds the rows of a file that are read.
        backbone: Whose tokeniser is measured, as `backbone.name` of params.yaml.
        repeats: Measured turns.
    """
    manifest = load_manifest(gym)
    frozen = load_backbone(BackboneConfig(name=backbone))
    parts = [
        (head_spec(task), read_split(gym, task, "full_train")[: config.max_rows])
        for task in manifest.tasks
    ]
    sides: dict[str, Callable[[int], object]] = {
        "validate": lambda _: _validate(gym, manifest, config),
        "tokenise": lambda _: _tokenise(parts, frozen),
    }
    counts = {
        "validate": _checked_rows(gym, manifest, config.max_rows),
        "tokenise": sum(len(rows) for _, rows in parts),
    }
    if mirror is not None:
        names = [task.name for task in manifest.tasks]
        sides["build"] = lambda _: _build(mirror, names)
        counts["build"] = sum(task.rows.full_train + task.rows.test for task in manifest.tasks)
    turns = alternate(sides, repeats=repeats)
    rate = {name: turns.median(name) * PER_ROWS / count for name, count in counts.items()}
    return {
        "benchmark": "data",
        "machine": describe_machine(),
        "tasks": [task.name for task in manifest.tasks],
        "repeats": repeats,
        "order": turns.order,
        "rows": counts,
        "build_skipped_reason": None if mirror else "no --mirror to build from",
        **{f"{name}_seconds_per_10000_rows": rate.get(name) for name in _STEPS},
    }


def _build(mirror: Path, names: Sequence[str]) -> None:
    source = open_source("mirror", mirror_dir=mirror)
    with TemporaryDirectory(prefix="dpf-bench-") as folder:
        build_gym(source, select_tasks(source, names).specs, Path(folder) / "gym")


def _validate(gym: Path, manifest: Manifest, config: ValidateConfig) -> None:
    for task in manifest.tasks:
        check_task(gym, manifest, task, config)


def _checked_rows(gym: Path, manifest: Manifest, max_rows: int) -> int:
    """Return the rows that a validation reads: of equal files it reads one."""
    return sum(len(row_table(gym, manifest, task, max_rows).rows) for task in manifest.tasks)


def _tokenise(parts: Sequence[tuple[HeadSpec, list[Row]]], backbone: Backbone) -> None:
    for task_id, (spec, rows) in enumerate(parts):
        encode_rows(rows, spec, task_id, backbone)
