"""Prompt-tuning adapters of the PEFT library on disk: what their files say, read and checked.

An adapter is a folder with `adapter_config.json` and `adapter_model.safetensors`, which holds the
prompt [P, H]. PEFT itself is not needed. Writing them belongs to `export/peft_adapter.py`, starting
a pool from them to `earlier.py`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dpf_core.backbone.families import Kind
from dpf_core.errors import CheckpointError
from dpf_core.files import read_json

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
TENSOR_NAME = "prompt_embeddings"
PEFT_TYPE = "PROMPT_TUNING"

TASK_TYPES: dict[Kind, str] = {
    "encoder": "FEATURE_EXTRACTION",
    "decoder": "CAUSAL_LM",
    "encoder_decoder": "SEQ_2_SEQ_LM",
}
"""PEFT's word for how a backbone of each kind is run with our prompt."""

_OF_ONE_KIND = {"CAUSAL_LM", "SEQ_2_SEQ_LM"}
"""Task types that say which kind of backbone an adapter was made for."""


def find_adapters(folder: Path) -> list[Path]:
    """Return the folder if it is an adapter, or its sub-folders in name order if they are.

    Raises:
        CheckpointError: Some sub-folders are adapters and others are not.
        OSError: The folder cannot be read.
    """
    if (folder / CONFIG_FILE).is_file():
        return [folder]
    inside = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    adapters = [path for path in inside if (path / CONFIG_FILE).is_file()]
    if adapters and (others := [path.name for path in inside if path not in adapters]):
        raise CheckpointError(
            f"each sub-folder of a folder with adapters must have {CONFIG_FILE}, got none in "
            f"{', '.join(others[:5])} ({folder}). Move what is no adapter elsewhere."
        )
    return adapters


def read_adapter(folder: Path, kind: Kind, *, prompt_length: int, hidden_size: int) -> Tensor:
    """Return the prompt of an adapter, [P, H] float32.

    Other tensors, such as the head of a classifier, are left alone.

    Args:
        folder: The adapter.
        kind: Of the backbone that the prompt is for.
        prompt_length: P.
        hidden_size: H.

    Raises:
        CheckpointError: It is damaged, of another kind, or of another shape.
    """
    _check_config(_read_config(folder / CONFIG_FILE), kind, folder)
    prompt = _read_tensors(folder / WEIGHTS_FILE).get(TENSOR_NAME)
    if prompt is None or prompt.shape != (prompt_length, hidden_size):
        found = "none" if prompt is None else tuple(prompt.shape)
        raise CheckpointError(
            f"an adapter's {TENSOR_NAME!r} must be [prompt length, hidden size] = "
            f"({prompt_length}, {hidden_size}), got {found} ({folder / WEIGHTS_FILE}). Set "
            "model.prompt_length in params.yaml so that the pool's prompts are as long (with "
            "gate_mode concatenated one position more), or name adapters of this backbone."
        )
    num_wrong = int((~torch.isfinite(prompt)).sum())
    if not prompt.is_floating_point() or num_wrong:
        raise CheckpointError(
            f"an adapter's {TENSOR_NAME!r} must be finite floating-point numbers, got "
            f"{prompt.dtype} with {num_wrong} that are not finite ({folder / WEIGHTS_FILE}). Train "
            "the adapter again."
        )
    return prompt.float()


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = read_json(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"an adapter's {CONFIG_FILE} must be readable, got {type(error).__name__}: {error} "
            f"({path}). Save the adapter again."
        ) from error
    if not isinstance(config, dict):
        raise CheckpointError(
            f"an adapter's {CONFIG_FILE} must be an object, got {type(config).__name__} ({path}). "
            "Save the adapter again."
        )
    return config


def _check_config(config: Mapping[str, Any], kind: Kind, folder: Path) -> None:
    where = folder / CONFIG_FILE
    if config.get("peft_type") != PEFT_TYPE:
        raise CheckpointError(
            f"an adapter's peft_type must be {PEFT_TYPE}, got {config.get('peft_type')!r} "
            f"({where}). Only a soft prompt before the input can join a pool; name adapters of "
            "prompt tuning."
        )
    if config.get("num_transformer_submodules") not in (None, 1):
        raise CheckpointError(
            "an adapter's num_transformer_submodules must be 1, got "
            f"{config['num_transformer_submodules']!r} ({where}): a prompt here stands before the "
            "encoder's input alone, and the decoder's half would be lost. Train the adapter with 1."
        )
    task_type = config.get("task_type")
    if task_type in _OF_ONE_KIND and task_type != TASK_TYPES[kind]:
        raise CheckpointError(
            f"an adapter's task_type must be {TASK_TYPES[kind]} for a backbone that is an "
            f"{kind.replace('_', '-')}, got {task_type} ({where}). Name adapters of this backbone."
        )


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"an adapter must have its prompt in {WEIGHTS_FILE}, got {type(error).__name__}: "
            f"{error} ({path}). Save it again with safe_serialization=True; pickled weights are "
            "never read."
        ) from error
    return tensors
