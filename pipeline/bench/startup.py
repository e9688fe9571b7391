"""`dpf bench startup`: what commands take before they do any work, each in a fresh process."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from dpf_core.errors import DPFError
from pipeline.bench.clock import alternate
from pipeline.bench.machine import describe_machine

_PYTHON = {
    "python": "pass",
    "help": "from pipeline.cli import main; main(['--help'])",
    "import_dpf_core": "import dpf_core",
    "import_torch": "import torch",
    "import_training": "import dpf_core.training.loop",
    "definitions": "from pipeline.definitions import defs; defs()",
}
_DVC = {"dvc_status": ["status"], "dvc_repro": ["repro"]}


def bench_startup(*, repeats: int, root: Path) -> dict[str, Any]:
    """Return median seconds of each command, and why DVC's were left out if they were.

    Args:
        repeats: Measured turns of each command.
        root: The project's folder, where commands run.

    Raises:
        DPFError: A command fails.
    """
    commands = {name: [sys.executable, "-c", code] for name, code in _PYTHON.items()}
    skipped = why_no_dvc(root)
    if skipped is None:
        commands |= {name: [*_dvc(), *words] for name, words in _DVC.items()}
    sides = {name: _runner(command, root) for name, command in commands.items()}
    turns = alternate(sides, repeats=repeats)
    seconds = {name: turns.median(name) for name in commands}
    cpu_seconds = {name: median(turns.cpu_seconds[name]) for name in commands}
    beyond = turns.seconds["import_dpf_core"], turns.seconds["import_torch"]
    return {
        "benchmark": "startup",
        "machine": describe_machine(),
        "repeats": repeats,
        "order": turns.order,
        "ratio_help_to_python": turns.median("help") / turns.median("python"),
        "import_dpf_core_minus_torch_seconds": median(
            own - torch for own, torch in zip(*beyond, strict=True)
        ),
        "dvc_skipped_reason": skipped,
        **{f"{name}_seconds": seconds.get(name) for name in (*_PYTHON, *_DVC)},
        **{f"{name}_cpu_seconds": cpu_seconds.get(name) for name in (*_PYTHON, *_DVC)},
    }


def why_no_dvc(root: Path) -> str | None:
    """Return why `dvc repro` would not be a no-op in a folder, or None where it is one."""
    if not (root / "dvc.lock").is_file():
        return "no dvc.lock here, so no stage has run"
    command = [*_dvc(), "status", "dvc.yaml", "--json"]  # what `dvc repro` looks at
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"dvc status fails: {_last_line(done.stderr)}"
    if changed := json.loads(done.stdout or "{}"):
        return f"dvc status finds changes in {', '.join(sorted(changed))}, so dvc repro would work"
    return None


def _dvc() -> list[str]:
    return [sys.executable, "-m", "dvc"]


def _runner(command: list[str], root: Path) -> Callable[[int], object]:
    def run(_: int) -> None:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DPFError(
                f"a command to measure must succeed, got exit code {done.returncode}: "
                f"{_last_line(done.stderr)} ({' '.join(command)}). Run it by hand to see more."
            )

    return run


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]
