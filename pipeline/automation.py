"""When the chain runs: by hand (job `retrain`), weekly, or because a new task arrived.

The schedule starts stopped, because hours of a machine are its owner's to give. The sensor starts
running: it acts only on what somebody put into `data/incoming/`, once for each content.
"""

import json
from collections.abc import Iterable

import dagster as dg

from pipeline.incoming import hash_json, incoming_tasks
from pipeline.lock_watch import dvc_lock
from pipeline.paths import INCOMING
from pipeline.resources import DvcRunner

RETRAIN = "retrain"
NEW_TASKS_TAG = "dpf/new_tasks"
"""On a run that the sensor asked for: the tasks that are new or changed."""
WORKSPACE_TAG = {"dvc/workspace": "default"}
"""Limited to one run in dagster.yaml: DVC allows one writer in a workspace."""


def build_automation(stages: Iterable[str]) -> dg.Definitions:
    """Return the job for the whole chain, its schedule and the sensors."""
    retrain = dg.define_asset_job(
        RETRAIN,
        selection=dg.AssetSelection.assets(*stages),
        description="The whole chain; DVC skips every stage whose inputs did not change.",
        tags=WORKSPACE_TAG,
        executor_def=dg.in_process_executor,
    )
    weekly = dg.ScheduleDefinition(
        name="weekly_retrain",
        job_name=RETRAIN,
        cron_schedule="0 3 * * 1",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
    return dg.Definitions(jobs=[retrain], schedules=[weekly], sensors=[new_tasks, dvc_lock])


@dg.sensor(
    job_name=RETRAIN, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING
)
def new_tasks(context: dg.SensorEvaluationContext, dvc: DvcRunner) -> dg.SensorResult:
    """Ask for `retrain` once for each new content of a task directory in data/incoming/.

    A directory counts when it holds task.yaml and rows: write the rows first, task.yaml last.
    """
    found, ignored = incoming_tasks(dvc.root / INCOMING)
    for reason in ignored:
        context.log.info(reason)
    seen, chain = _read_cursor(context.cursor)
    if found == seen:
        return dg.SensorResult(skip_reason=f"no new task in {INCOMING}/")
    # The chain tells a content that comes back after a removal from the one that was there
    # before: with an equal run key Dagster would never run it.
    chain = hash_json([chain, found])
    cursor = json.dumps({"tasks": found, "chain": chain})
    changed = sorted(task for task in found if found[task] != seen.get(task))
    if not changed:
        gone = ", ".join(sorted(seen.keys() - found.keys()))
        return dg.SensorResult(
            skip_reason=f"removed: {gone}. The next run leaves it out.", cursor=cursor
        )
    request = dg.RunRequest(run_key=chain, tags={NEW_TASKS_TAG: ",".join(changed)})
    return dg.SensorResult(run_requests=[request], cursor=cursor)


def _read_cursor(cursor: str | None) -> tuple[dict[str, str], str]:
    """Return the contents that were acted on, and the hash over all of them in their order."""
    if not cursor:
        return {}, ""
    state = json.loads(cursor)
    return state["tasks"], state["chain"]
