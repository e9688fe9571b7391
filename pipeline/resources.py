"""`DvcRunner`: runs one DVC stage in its own process group and says how it went."""

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from pipeline.supervised import GRACE_SECONDS, search_path, supervised

_TAIL_LINES = 20
_BUSY = "is busy, it is being blocked by"
_TORN_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRun:
    """How one `dvc repro --single-item` ended."""

    exit_code: int
    ran: bool
    """False when DVC skipped the stage or restored its outputs from the cache."""
    reported: Mapping[str, Any] = field(default_factory=dict)
    """What the stage said through `pipeline.pipes.report`."""
    tail: str = ""
    """The last lines that DVC and the stage printed."""

    @property
    def is_busy(self) -> bool:
        """Whether DVC refused because another one is writing in the workspace."""
        return self.exit_code != 0 and not self.ran and _BUSY in self.tail


class DvcRunner(dg.ConfigurableResource[Any]):
    """Runs stages of the DVC project in a directory.

    Dagster's own subprocess client signals only its child; DVC ignores that signal while a stage
    runs, so a cancelled training would go on. Here the whole process group is ended, also when the
    worker itself is killed.
    """

    project_dir: str = "."
    grace_seconds: float = GRACE_SECONDS
    busy_seconds: float = 60.0
    """Between attempts while somebody's `dvc repro` writes in the workspace."""
    busy_retries: int = 120

    @property
    def root(self) -> Path:
        """The directory that holds `dvc.yaml`."""
        return Path(self.project_dir)

    def repro(self, context: dg.AssetExecutionContext, stage: str) -> StageRun:
        """Run one stage, without its upstream stages, and return how it ended."""
        injector = dg.PipesTempFileContextInjector()
        reader = dg.PipesTempFileMessageReader()
        with dg.open_pipes_session(context, injector, reader) as session:
            exit_code, tail = self._run(stage, session.get_bootstrap_env_vars())
        # Only after the session: closing it drains the messages.
        return StageRun(
            exit_code=exit_code,
            ran=session.message_handler.received_opened_message,
            reported=_metadata(session),
            tail=tail,
        )

    def _run(self, stage: str, pipes_env: Mapping[str, str]) -> tuple[int, str]:
        # --wait-for-lock waits for DVC's short lock only; that no two runs share the workspace
        # is the concern of dagster.yaml.
        command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", stage]
        _remove_torn_lock(self.root)
        with supervised(
            command,
            grace_seconds=self.grace_seconds,
            cwd=self.project_dir,
            env={**os.environ, "PATH": search_path(), **pipes_env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            tail = _echo(process)
            return process.wait(), tail


def _remove_torn_lock(root: Path) -> None:
    """Remove DVC's list of readers and writers if a killed DVC has left half of it.

    DVC writes it in place and refuses everything once it is no JSON. Whoever is writing it is done
    in an instant, so half of one that has stood for a minute is nobody's.
    """
    path = root / ".dvc/tmp/rwlock"
    try:
        is_old = time.time() - path.stat().st_mtime > _TORN_SECONDS
        json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except ValueError:
        if is_old:
            print(f"{path} was left half written by a DVC that was killed: removed", flush=True)
            path.unlink(missing_ok=True)


def _echo(process: subprocess.Popen[str]) -> str:
    """Copy the output into Dagster's log as it comes, and return its last lines."""
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    for line in process.stdout or ():
        sys.stdout.write(line)
        sys.stdout.flush()
        tail.append(line)
    return "".join(tail).strip()


def _metadata(session: dg.PipesSession) -> Mapping[str, Any]:
    merged: dict[str, Any] = {}
    for result in session.get_results(implicit_materializations=False):
        merged |= result.metadata or {}
    return merged
