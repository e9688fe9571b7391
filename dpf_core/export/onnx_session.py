"""Opening exported files safely, and running them.

A file is read once; what is checked is what runs.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from dpf_core.errors import ExportError, TaskIdError
from dpf_core.export.onnx_export import FORMAT, MANIFEST_FILE
from dpf_core.export.onnx_graph import messages
from dpf_core.files import read_json

_ORT_ERRORS = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
"""ONNX Runtime's exceptions, which share no base."""

_FATAL_ONLY = 4
"""Log level: what goes wrong comes as an exception, so it need not be printed as well."""


@dataclass(frozen=True, slots=True)
class Session:
    """An exported file, ready to run."""

    path: Path
    provider: str
    """The execution provider that the session has, not only the one that was asked for."""
    num_tasks: int
    _session: Any

    def run(self, **inputs: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the outputs by name.

        Args:
            inputs: As the manifest lists them.

        Raises:
            TaskIdError: A task id is outside [0, T).
            ExportError: An input is missing or unknown, or ONNX Runtime refuses one, such as a
                token id outside the vocabulary.
        """
        wanted = {entry.name for entry in self._session.get_inputs()}
        if inputs.keys() != wanted:
            raise ExportError(
                f"inputs must be {', '.join(sorted(wanted))}, got "
                f"{', '.join(sorted(inputs)) or 'none'} ({self.path}). {MANIFEST_FILE} lists them."
            )
        task_ids = inputs["task_id"]
        if ((task_ids < 0) | (task_ids >= self.num_tasks)).any():
            raise TaskIdError(
                f"task ids must be in [0, {self.num_tasks}), got {task_ids.tolist()} "
                f"({self.path}). The ids stand in {MANIFEST_FILE}."
            )
        try:
            values = self._session.run(None, inputs)
        except _ORT_ERRORS as error:
            shapes = {name: value.shape for name, value in inputs.items()}
            raise ExportError(
                f"inputs must be what {MANIFEST_FILE} lists, got shapes {shapes}: {error} "
                f"({self.path}). Tokenize with the exported tokenizer."
            ) from error
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, values, strict=True))


def open_session(
    path: Path, provider: str = "CPUExecutionProvider", *, num_threads: int | None = None
) -> Session:
    """Return a session on an exported file that is whole and runs where it was asked to.

    Args:
        path: An ONNX file beside its manifest.
        provider: The only execution provider; another one is never taken instead.
        num_threads: Of one operator; None leaves it to ONNX Runtime.

    Raises:
        ExportError: The file differs from the manifest, refers to data outside itself, or the
            provider cannot be had.
    """
    path = Path(path)
    manifest = read_manifest(path.parent)
    data = _read_checked(path, manifest)
    _refuse_external_data(data, path)
    _check_available(provider)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    if num_threads is not None:
        options.intra_op_num_threads = num_threads
    try:
        session = onnxruntime.InferenceSession(data, options, providers=[provider])
    except _ORT_ERRORS as error:
        raise ExportError(
            f"ONNX Runtime {onnxruntime.__version__} must be able to load {path}, got {error}. "
            "Export with a lower export.opset, or install a newer onnxruntime."
        ) from error
    found = session.get_providers()
    if found[:1] != [provider]:
        raise ExportError(
            f"the execution provider must be {provider}, got {', '.join(found)}: ONNX Runtime fell "
            "back without an error. Install what the provider needs, or ask for "
            "CPUExecutionProvider (export.provider in params.yaml)."
        )
    return Session(path, provider, len(manifest["tasks"]), session)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of an export folder.

    Raises:
        ExportError: It is missing, no JSON, of another format, or incomplete.
    """
    path = folder / MANIFEST_FILE
    try:
        manifest = read_json(path)
    except (OSError, ValueError) as error:
        raise ExportError(
            f"an export must have a readable {MANIFEST_FILE}, got {error} ({path}). Export again: "
            "dvc repro export."
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise ExportError(
            f"an export's format must be {FORMAT!r}, got {found!r} ({path}). Export again with "
            "this version."
        )
    try:
        _ = len(manifest["tasks"]), [file["sha256"] for file in manifest["files"].values()]
        _ = [file["bytes"] for file in manifest["files"].values()]
    except (KeyError, TypeError, AttributeError) as error:
        raise ExportError(
            f"an export's manifest must be complete, got {type(error).__name__}: {error} ({path}). "
            "Export again with this version."
        ) from error
    return manifest


def _read_checked(path: Path, manifest: Mapping[str, Any]) -> bytes:
    cure = "Restore the file (dvc checkout) or export again: dvc repro export."
    if path.name not in manifest["files"]:
        names = ", ".join(sorted(manifest["files"]))
        raise ExportError(f"an exported file must be one of {names}, got {path.name} ({path}).")
    expected = manifest["files"][path.name]
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ExportError(
            f"{path.name} must be readable, got {error.strerror} ({path}). {cure}"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != expected["sha256"]:
        raise ExportError(
            f"{path.name} must have SHA-256 {expected['sha256']} and {expected['bytes']} bytes as "
            f"{MANIFEST_FILE} says, got {found} and {len(data)} bytes ({path}). {cure}"
        )
    return data


def _refuse_external_data(data: bytes, path: Path) -> None:
    """Look for tensors outside the file before anything follows them.

    Their paths led out of the model's folder in CVE-2022-25882, CVE-2024-27318, CVE-2026-27489,
    CVE-2026-34446 and CVE-2026-34447; an export never has any.
    """
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise ExportError(
            f"{path.name} must be an ONNX model, got bytes that are none ({path}). Export again: "
            "dvc repro export."
        ) from error
    for message in messages(model):
        if isinstance(message, onnx.TensorProto) and (
            message.external_data or message.data_location == onnx.TensorProto.EXTERNAL
        ):
            raise ExportError(
                f"{path.name} must hold all its tensors, got external data for {message.name!r} "
                f"({path}). Do not run it; export again: dvc repro export."
            )


def _check_available(provider: str) -> None:
    available = onnxruntime.get_available_providers()
    if provider not in available:
        raise ExportError(
            f"the execution provider must be one of {', '.join(available)}, got {provider!r} "
            "(export.provider in params.yaml). Name one of them, or install the onnxruntime that "
            "has it."
        )
