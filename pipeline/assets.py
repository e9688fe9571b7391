"""One Dagster asset for each stage of `dvc.yaml`.

DVC decides how a file is made and whether it must be made again; an asset only runs its stage and
then reports: the metrics as metadata, the plots, the versions from `dvc.lock`, and the checks.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from dpf_core.files import read_json
from pipeline import checks, dvc_project
from pipeline.asset_metadata import stage_metadata
from pipeline.dvc_project import Stage
from pipeline.resources import DvcRunner, StageRun

WORKSPACE_POOL = "dvc_workspace"
"""Limited to one run in dagster.yaml: DVC allows one writer in a workspace."""


def build_assets(root: Path, tasks: Iterable[str]) -> list[dg.AssetsDefinition]:
    """Return the assets of a DVC project, in the order of `dvc.yaml`.

    Args:
        root: The directory that holds `dvc.yaml`.
        tasks: Names of the tasks that get a declared check on `validate`.
    """
    stages = dvc_project.read_stages(root)
    names = sorted(tasks)
    return [
        _build_asset(
            stage,
            dvc_project.upstream(stage, stages),
            checks.check_specs(stage.name, names),
            description=dvc_project.description(root, stage),
            code_version=dvc_project.code_version(root, stage),
        )
        for stage in stages.values()
    ]


def _build_asset(
    stage: Stage,
    upstream: Sequence[str],
    specs: Sequence[dg.AssetCheckSpec],
    *,
    description: str,
    code_version: str,
) -> dg.AssetsDefinition:
    @dg.asset(
        name=stage.name,
        deps=list(upstream),
        check_specs=specs,
        description=description,
        group_name=stage.dagster.get("group", "default"),
        kinds=set(stage.dagster.get("kinds", ("dvc",))),
        code_version=code_version,
        pool=WORKSPACE_POOL,
    )
    def run_stage(context: dg.AssetExecutionContext, dvc: DvcRunner) -> Iterator[Any]:
        before = _signatures(dvc.root, stage)
        run = dvc.repro(context, stage.name)
        if run.exit_code:
            # A metrics file that this run did not write says nothing about it.
            if _signatures(dvc.root, stage) not in (before, {}):
                yield from _results(context, stage, specs, dvc.root)
            if run.is_busy:
                raise dg.RetryRequested(dvc.busy_retries, dvc.busy_seconds)
            raise _failure(stage, run)
        yield dg.MaterializeResult(
            metadata=_metadata(stage, run, dvc.root),
            data_version=_data_version(stage, dvc.root),
            check_results=_results(context, stage, specs, dvc.root),
        )

    return run_stage


def _metadata(stage: Stage, run: StageRun, root: Path) -> dict[str, Any]:
    entry = dvc_project.read_lock(root)[stage.name]
    outs = {out["path"]: out["md5"] for out in entry.get("outs", ())}
    return {
        **run.reported,
        **stage_metadata(root, stage.metrics, stage.outs),
        "dvc/ran": run.ran,
        "dvc/outs": dg.MetadataValue.json(outs),
    }


def _data_version(stage: Stage, root: Path) -> dg.DataVersion:
    return dg.DataVersion(dvc_project.data_version(dvc_project.read_lock(root)[stage.name]))


def _results(
    context: dg.AssetExecutionContext, stage: Stage, specs: Sequence[dg.AssetCheckSpec], root: Path
) -> list[dg.AssetCheckResult]:
    """Return one result for each declared check; report the others without a run."""
    found: dict[str, dg.AssetCheckResult] = {}
    for path in stage.metrics:
        found |= checks.check_results(stage.name, read_json(root / path))
    declared = [found.get(spec.name) or checks.missing_result(spec) for spec in specs]
    for name in sorted(found.keys() - {spec.name for spec in specs}):
        context.log.info(f"check {name} is not declared yet. Reload the definitions to see it.")
        context.instance.report_runless_asset_event(checks.undeclared(found[name]))
    return declared


def _signatures(root: Path, stage: Stage) -> dict[str, tuple[int, int]]:
    """DVC removes a metrics file before its stage runs, so a new inode or time is a new file."""
    files = [root / path for path in stage.metrics if (root / path).exists()]
    return {str(f): (f.stat().st_ino, f.stat().st_mtime_ns) for f in files}


def _failure(stage: Stage, run: StageRun) -> dg.Failure:
    return dg.Failure(
        f"`dvc repro --single-item {stage.name}` must exit with 0, got {run.exit_code}. "
        f"The last lines that it printed:\n{run.tail}",
        metadata={"dvc/ran": run.ran, "exit_code": run.exit_code},
        allow_retries=False,
    )
