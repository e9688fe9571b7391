"""Asset checks: what a stage's metrics file says, as one verdict for each property.

The verdicts themselves are made by the stages, so that `dvc repro` and Dagster agree; here they
only become visible. A task's check fails on critical findings and then blocks what comes after it.
Warnings (duplicate rows, say, which an official data set may well have) never turn a task red or
yellow for good: `no_warnings` lists them all in one table and fails with severity WARN.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from pipeline.asset_metadata import table

_TASK = "task_"
_TASK_HEX = "taskhex_"
_SIGNS = {"-": "__", ".": "___"}
_ERROR = dg.AssetCheckSeverity.ERROR
_WARN = dg.AssetCheckSeverity.WARN


def task_check_name(task: str) -> str:
    """Return the check of a task: `glue-sst2` is `task_glue__sst2`.

    Dagster's names hold letters, digits and `_` only. A name that could not be told from another
    one in this form is written as the hexadecimal digits of its UTF-8 bytes instead.
    """
    readable = task
    for sign, spelled in _SIGNS.items():
        readable = readable.replace(sign, spelled)
    is_plain = readable.isascii() and readable.replace("_", "").isalnum()
    if is_plain and _readable_task(readable) == task:
        return _TASK + readable
    return _TASK_HEX + os.fsencode(task).hex()


def task_of_check(check: str) -> str | None:
    """Return the task that a check is about, or None for a check of another kind."""
    if check.startswith(_TASK_HEX):
        return os.fsdecode(bytes.fromhex(check.removeprefix(_TASK_HEX)))
    return _readable_task(check.removeprefix(_TASK)) if check.startswith(_TASK) else None


def check_specs(stage: str, tasks: Iterable[str]) -> list[dg.AssetCheckSpec]:
    """Return the checks that an asset declares when the definitions are loaded.

    Args:
        stage: The stage's name, which is the asset's key.
        tasks: The tasks known by then; a later one is reported without being declared.
    """
    if stage == "validate":
        return [_task_spec(task) for task in tasks] + [
            dg.AssetCheckSpec("no_warnings", asset=stage, description="No task has warnings.")
        ]
    return [
        dg.AssetCheckSpec(name, asset=stage, blocking=blocking, description=text)
        for name, blocking, text in _GUARDS.get(stage, ())
    ]


def check_results(stage: str, metrics: Mapping[str, Any]) -> dict[str, dg.AssetCheckResult]:
    """Return every verdict that a stage's metrics give by its check's name, declared or not."""
    match stage:
        case "validate":
            results = [*map(_task_result, metrics["tasks"]), _warnings_result(metrics["tasks"])]
        case "train":
            results = [_warn("train", "no_alarms", [{"alarm": text} for text in metrics["alarms"]])]
        case "evaluate":
            results = [_beats_majority(metrics), _warn("evaluate", "no_alarms", metrics["alarms"])]
        case "export":
            results = [_matches_torch(metrics)]
        case _:
            results = []
    return {str(result.check_name): result for result in results}


def missing_result(spec: dg.AssetCheckSpec) -> dg.AssetCheckResult:
    """Return the verdict for a declared check of which the metrics say nothing."""
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=False,
        severity=_WARN,
        description="The gym does not hold this task: its source lacks it, or it was removed.",
    )


def undeclared(result: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    """Return a verdict as an event of its own, for a check that no loaded definition declares."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey.from_coercible(result.asset_key or ()),
        check_name=str(result.check_name),
        passed=result.passed,
        severity=result.severity,
        metadata=result.metadata,
        description=result.description,
    )


_GUARDS: Mapping[str, Sequence[tuple[str, bool, str]]] = {
    # Not blocking: only the report comes after evaluate, and it is what explains the scores.
    "train": (("no_alarms", False, "Training saw nothing that its diagnostics warn of."),),
    "evaluate": (
        ("beats_majority", False, "The mean score is above always answering the majority label."),
        ("no_alarms", False, "No diagnostic of the method is beyond its threshold."),
    ),
    "export": (("matches_torch", True, "ONNX Runtime and torch agree within the tolerance."),),
}


def _readable_task(text: str) -> str:
    for sign, spelled in sorted(_SIGNS.items(), key=lambda item: -len(item[1])):
        text = text.replace(spelled, sign)
    return text


def _task_spec(task: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        task_check_name(task),
        asset="validate",
        blocking=True,
        description=f"Task {task} has no critical finding and may be trained on.",
    )


def _task_result(task: Mapping[str, Any]) -> dg.AssetCheckResult:
    critical, warnings = task["critical"], task["warnings"]
    metadata = {
        "task": task["name"],
        "num_critical": len(critical),
        "num_warnings": len(warnings),
        "rows": table([{"split": split, "rows": n} for split, n in task["rows"].items()]),
    }
    if critical or warnings:
        metadata["findings"] = table(
            [{"severity": "critical", **f} for f in critical]
            + [{"severity": "warning", **f} for f in warnings]
        )
    return dg.AssetCheckResult(
        asset_key="validate",
        check_name=task_check_name(task["name"]),
        passed=bool(task["passed"]),
        severity=_ERROR,
        metadata=metadata,
    )


def _warnings_result(tasks: Sequence[Mapping[str, Any]]) -> dg.AssetCheckResult:
    rows = [{"task": task["name"], **found} for task in tasks for found in task["warnings"]]
    return _warn("validate", "no_warnings", rows)


def _beats_majority(metrics: Mapping[str, Any]) -> dg.AssetCheckResult:
    score, majority = metrics["mean_score"], metrics["majority_mean_score"]
    return dg.AssetCheckResult(
        asset_key="evaluate",
        check_name="beats_majority",
        passed=score > majority,
        severity=_ERROR,
        metadata={"mean_score": score, "majority_mean_score": majority},
    )


def _matches_torch(metrics: Mapping[str, Any]) -> dg.AssetCheckResult:
    difference, tolerance = metrics["max_abs_diff"], metrics["tolerance"]
    return dg.AssetCheckResult(
        asset_key="export",
        check_name="matches_torch",
        passed=difference <= tolerance,
        severity=_ERROR,
        metadata={"max_abs_diff": difference, "tolerance": tolerance},
    )


def _warn(stage: str, check: str, rows: Sequence[Mapping[str, Any]]) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {"count": len(rows)}
    if rows:
        metadata["found"] = table(rows)
    return dg.AssetCheckResult(
        asset_key=stage, check_name=check, passed=not rows, severity=_WARN, metadata=metadata
    )
