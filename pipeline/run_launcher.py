"""`WatchedRunLauncher`: Dagster's own launcher, which also sees that a run's process is gone.

Where the machine goes down, or the memory runs out, nobody is left to report how a run ended. It
would stay STARTED, keep its place in dagster.yaml's limit of one run, and all later ones would wait
for ever. Dagster's run monitoring asks a launcher for this, once in two minutes.
"""

import json

import dagster as dg
import psutil
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches runs as processes of this machine, and knows whether they are alive."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: run monitoring marks a run as failed whose process is gone."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return whether the process that started a run still works on it.

        Args:
            run: That has started, by this machine's code server or on the command line; of a code
                server elsewhere nothing is known, and its runs count as running.
        """
        if not _is_of_this_machine(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        records = self._instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.RUN_START, limit=1
        ).records
        event = records[0].event_log_entry if records else None
        pid = event.dagster_event.pid if event and event.dagster_event else None
        if event is None or pid is None or _is_alive(pid, event.timestamp):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND,
            f"the process {pid} of the run is gone, as after a restart of the machine or for want "
            "of memory. What it finished stays; run it again.",
        )


def _is_of_this_machine(run: dg.DagsterRun) -> bool:
    server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    return server.get("host", "localhost") in ("localhost", "127.0.0.1")


def _is_alive(pid: int, started: float) -> bool:
    """Return whether a process is there that is not younger than what it has reported."""
    try:
        process = psutil.Process(pid)
        is_zombie = process.status() == psutil.STATUS_ZOMBIE
        return bool(process.create_time() <= started and not is_zombie)
    except psutil.NoSuchProcess:
        return False
