"""Tells Dagster what DVC made without it, so that the graph is right for both ways of running.

After `dvc repro` in a terminal, dvc.lock holds versions that Dagster has not seen. The sensor
reports them as materialisations with the same versions, metrics and checks that a run would give.
"""

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import dagster as dg

from dpf_core.files import md5_file, read_json
from pipeline import checks, dvc_project
from pipeline.asset_metadata import metrics_metadata
from pipeline.dvc_project import Stage
from pipeline.resources import DvcRunner

_IN_PROGRESS = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_DATA_VERSION = "dagster/data_version"
_CODE_VERSION = "dagster/code_version"
_INPUT_VERSION = "dagster/input_data_version/"
_EARLIER = "an earlier one"
"""In place of the version of an upstream asset that was made again since it was read."""


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def dvc_lock(context: dg.SensorEvaluationContext, dvc: DvcRunner) -> dg.SensorResult:
    """Report stages that `dvc repro` ran outside Dagster; starts no run."""
    if context.instance.get_runs_count(dg.RunsFilter(statuses=_IN_PROGRESS)):
        return dg.SensorResult(skip_reason="a run is writing dvc.lock")
    stages = dvc_project.read_stages(dvc.root)
    lock = dvc_project.read_lock(dvc.root)
    made = [name for name in stages if name in lock and _is_there(dvc.root, stages[name])]
    versions = {name: _versions(lock[name]) for name in made}
    if context.cursor == (cursor := json.dumps(versions)):
        return dg.SensorResult(skip_reason="dvc.lock did not change")
    new = [name for name in versions if not _is_known(context.instance, stages, lock, name)]
    declared = _declared(context)
    events = [event for name in new for event in _events(dvc.root, stages, lock, name, declared)]
    reason = None if new else "Dagster itself wrote what is new in dvc.lock"
    return dg.SensorResult(asset_events=events, cursor=cursor, skip_reason=reason)


def _is_there(root: Path, stage: Stage) -> bool:
    """Tell a stage that was run here from one of which a fresh clone has the lock alone."""
    return all((root / out).exists() for out in stage.outs)


def _declared(context: dg.SensorEvaluationContext) -> set[dg.AssetCheckKey]:
    """Return the checks that the loaded definitions declare; none where none are loaded."""
    repository = context.repository_def
    return set(repository.asset_graph.asset_check_keys) if repository else set()


def _versions(entry: Mapping[str, Any]) -> list[str]:
    return [dvc_project.data_version(entry), dvc_project.locked_code_version(entry)]


def _is_known(
    instance: dg.DagsterInstance,
    stages: Mapping[str, Stage],
    lock: Mapping[str, Mapping[str, Any]],
    name: str,
) -> bool:
    """Return whether the asset's latest materialisation is what the lock says of the stage."""
    record = instance.get_latest_materialization_event(dg.AssetKey(name))
    event = record.asset_materialization if record else None
    tags = (event.tags if event else None) or {}
    if [tags.get(_DATA_VERSION), tags.get(_CODE_VERSION)] != _versions(lock[name]):
        return False
    return not any(
        tags.get(_INPUT_VERSION + up) == _EARLIER and _version_read(lock, name, up) != _EARLIER
        for up in _upstream(stages, lock, name)
    )


def _upstream(
    stages: Mapping[str, Stage], lock: Mapping[str, Mapping[str, Any]], name: str
) -> list[str]:
    return [up for up in dvc_project.upstream(stages[name], stages) if up in lock]


def _events(
    root: Path,
    stages: Mapping[str, Stage],
    lock: Mapping[str, Mapping[str, Any]],
    name: str,
    declared: Set[dg.AssetCheckKey],
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    metrics = _metrics(root, stages[name], lock[name])
    upstream = _upstream(stages, lock, name)
    metadata = {key: value for found in metrics for key, value in metrics_metadata(found).items()}
    yield dg.AssetMaterialization(
        dg.AssetKey(name),
        metadata={**metadata, "dvc/ran": False},
        tags=_tags(lock, name, upstream),
    )
    results: dict[str, dg.AssetCheckResult] = {}
    for found in metrics:
        results |= checks.check_results(name, found)
    for result in results.values():
        yield checks.undeclared(result)
    if results:  # or the metrics of this version are not there to say what is missing
        own = {key.name for key in declared if key.asset_key == dg.AssetKey(name)}
        for lost in sorted(own - results.keys()):
            yield checks.undeclared(checks.missing_result(dg.AssetCheckSpec(lost, asset=name)))


def _metrics(root: Path, stage: Stage, entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the metrics files that are still those of the lock."""
    locked = {out["path"]: out["md5"] for out in entry.get("outs", ())}
    files = {path: root / path for path in stage.metrics if (root / path).is_file()}
    return [read_json(f) for path, f in files.items() if md5_file(f) == locked.get(path)]


def _tags(
    lock: Mapping[str, Mapping[str, Any]], name: str, upstream: Sequence[str]
) -> dict[str, str]:
    """Return all provenance that a run would record; with a part of it Dagster sees staleness."""
    data, code = _versions(lock[name])
    tags = {
        _DATA_VERSION: data,
        _CODE_VERSION: code,
        "dagster/data_version_is_user_provided": "true",
    }
    for up in upstream:
        tags[_INPUT_VERSION + up] = _version_read(lock, name, up)
        tags[f"dagster/input_event_pointer/{up}"] = "NULL"
    return tags


def _version_read(lock: Mapping[str, Mapping[str, Any]], name: str, up: str) -> str:
    """Return the version of an upstream asset that a stage read, which may not be the latest."""
    read = {dep["path"]: dep["md5"] for dep in lock[name].get("deps", ())}
    made = {out["path"]: out["md5"] for out in lock[up].get("outs", ())}
    if all(read[path] == made[path] for path in read.keys() & made.keys()):
        return dvc_project.data_version(lock[up])
    return _EARLIER
