"""Checkpoints of a running training: atomic, keyed, checked by hash, resumed to the same bits.

A checkpoint is a folder `step-000050` with `state.safetensors` and `state.json`. It is written
under another name and renamed when complete, so a folder with the final name is always whole. The
finished pool is another format: `pool_io.py`.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from dpf_core.errors import CheckpointError
from dpf_core.files import read_json, sha256_file, write_bytes_atomic, write_json
from dpf_core.training.processes import Processes

KEEP = 2
"""Newest checkpoints that stay; the older one is for when the newest turns out damaged."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the next step depends on."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]
    """JSON values."""


class CheckpointStore:
    """The checkpoints of one training run.

    Args:
        folder: Of this run alone; its name carries the key of everything that shapes the result.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, step: int, snapshot: Snapshot) -> None:
        """Write a checkpoint and drop those older than the newest two.

        Raises:
            CheckpointError: The folder cannot be written; earlier checkpoints are untouched.
        """
        target = self.folder / f"step-{step:06d}"
        staging = self.folder / f".{target.name}.partial"
        try:
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True)
            write_bytes_atomic(staging / "state.safetensors", save(_contiguous(snapshot.tensors)))
            hashes = _hashes(staging, snapshot.values)
            write_json(staging / "state.json", {"sha256": hashes, "values": snapshot.values})
            if target.exists():
                shutil.rmtree(target)
            staging.replace(target)
        except OSError as error:
            shutil.rmtree(staging, ignore_errors=True)  # half a checkpoint would only take room
            raise CheckpointError(
                f"a checkpoint must be writable, got {error} ({target}). Free space or permit "
                "writing there, then run again: training resumes at the last whole checkpoint."
            ) from error
        for old in self._folders()[:-KEEP]:
            shutil.rmtree(old)

    def load_latest(self) -> tuple[Snapshot | None, list[str]]:
        """Return the newest whole checkpoint and a sentence for each damaged one passed over."""
        problems: list[str] = []
        for folder in reversed(self._folders()):
            try:
                return _read(folder), problems
            except CheckpointError as error:
                problems.append(str(error))
        return None, problems

    def load_agreed(
        self, processes: Processes, device: torch.device
    ) -> tuple[Snapshot | None, list[str]]:
        """Return what `load_latest` does, if all processes find the same step.

        Args:
            processes: That train together; each calls this.
            device: Where their numbers meet.

        Raises:
            CheckpointError: They found different steps.
        """
        snapshot, problems = self.load_latest()
        step = float(snapshot.values["step"]) if snapshot else 0.0
        steps = processes.measure(lambda _: step, range(processes.count), device)
        if len(set(steps)) > 1:
            found = ", ".join(f"{start:.0f}" for start in steps)
            raise CheckpointError(
                f"every process must find the same checkpoint, got the steps {found} "
                f"({self.folder}). Keep checkpoints in a folder that all processes see, or remove "
                "them everywhere."
            )
        return snapshot, problems

    def clear(self) -> None:
        """Remove the run's checkpoints, after it has succeeded."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _folders(self) -> list[Path]:
        found = (path for path in self.folder.glob("step-*") if path.is_dir())
        steps = {path: path.name.removeprefix("step-") for path in found}
        return sorted((p for p in steps if steps[p].isdecimal()), key=lambda p: int(steps[p]))


def _read(folder: Path) -> Snapshot:
    try:
        record = read_json(folder / "state.json")
        expected, values = record["sha256"], record["values"]
        found = _hashes(folder, values)
        if found != expected:
            raise CheckpointError(
                f"a checkpoint must have the SHA-256 {expected}, got {found} ({folder}). "
                "It is damaged and passed over."
            )
        return Snapshot(load_file(folder / "state.safetensors"), values)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CheckpointError(
            f"a checkpoint must be readable, got {type(error).__name__}: {error} ({folder}). "
            "It is damaged and passed over."
        ) from error


def _hashes(folder: Path, values: Any) -> dict[str, str]:
    """Return the SHA-256 of the tensors' file and of the values, which equal JSON gives equal."""
    text = json.dumps(values, sort_keys=True, allow_nan=False)
    return {
        "state.safetensors": sha256_file(folder / "state.safetensors"),
        "values": hashlib.sha256(text.encode()).hexdigest(),
    }


def _contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
