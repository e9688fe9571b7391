"""Memory of a process, and work in a process of its own, whose memory nothing else has touched."""

import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dpf_core.errors import DPFError

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5)


def peak_mb(device: str = "cpu") -> float:
    """Return the most memory that this process has held, in MB of 10^6 bytes.

    Resident memory, or on a GPU what torch allocated there. Linux keeps the greatest resident
    memory of a process in `getrusage` when it starts another program, so that of the new one is
    read from /proc where there is such.
    """
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated() / 1e6
    if _STATUS.is_file():
        return _status("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def resident_mb() -> float | None:
    """Return the resident memory of this process in MB, None where /proc does not tell."""
    return _status("VmRSS") if _STATUS.is_file() else None


def reset_peak(device: str = "cpu") -> bool:
    """Let `peak_mb` count from now on, and return whether the system can do that."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats()
        return True
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def run_apart(module: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a module's main program prints as its last line, which is JSON.

    Args:
        module: Started as `python -m`, with the request as JSON for its one argument.
        request: JSON values.

    Raises:
        DPFError: It failed.
    """
    command = [sys.executable, "-m", module, json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DPFError(
            f"a benchmark's process must end well, got exit code {done.returncode}: {last} "
            f"(python -m {module}). Correct that, or free memory."
        )
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def _status(field: str) -> float:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise DPFError(
        f"{_STATUS} must have the line {field}, got none. Measure on a system whose /proc has it."
    )
