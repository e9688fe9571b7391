"""What a benchmark ran on, as far as it can change a figure."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

CPUINFO = Path("/proc/cpuinfo")
FLAGS = ("amx_bf16", "avx512_bf16", "avx2")
_BF16_FLAGS = ("amx_bf16", "avx512_bf16")
_PACKAGES = ("torch", "transformers", "peft", "accelerate")


def describe_machine(*, device: str = "cpu") -> dict[str, Any]:
    """Return processor, cores, threads, load, instruction sets and package versions.

    Args:
        device: Where a model ran, as torch names devices.
    """
    name, flags = _processor()
    found: dict[str, Any] = {
        "processor": name,
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "device": device,
        "versions": {package: _version(package) for package in _PACKAGES},
    }
    if device.startswith("cuda"):
        import torch

        found["gpu"] = torch.cuda.get_device_name()
    return found | {flag: flag in flags for flag in FLAGS}


def why_no_bf16(device: str = "cpu") -> str | None:
    """Return why bf16 is not measured on a device, or None where it is worth measuring."""
    if not device.startswith("cpu") or any(flag in _processor()[1] for flag in _BF16_FLAGS):
        return None
    return "the processor has neither amx_bf16 nor avx512_bf16, so bf16 is emulated and slow"


def _processor() -> tuple[str, frozenset[str]]:
    """Return name and flags of the first processor; without /proc a name alone."""
    if not CPUINFO.is_file():
        return platform.processor() or platform.machine(), frozenset()
    lines = [line.partition(":") for line in CPUINFO.read_text().splitlines()]
    fields = {key.strip(): value.strip() for key, _, value in reversed(lines)}  # the first counts
    flags = frozenset(fields.get("flags", fields.get("Features", "")).split())
    return fields.get("model name", platform.machine()), flags


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
