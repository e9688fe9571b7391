"""A trained pool as one prompt-tuning adapter for each task, as the PEFT library reads them.

An adapter holds the task's fused prompt and nothing else: the label heads of an encoder are not
part of it, so it gives back hidden states, not scores of labels. PEFT puts the prompt before
padding, not before the first real token, so the two agree on texts that are padded on the right,
or not at all. PEFT is not needed to write them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from dpf_core.adapters import CONFIG_FILE, PEFT_TYPE, TASK_TYPES, TENSOR_NAME, WEIGHTS_FILE
from dpf_core.backbone.files import portable_name
from dpf_core.errors import ConfigError
from dpf_core.files import sha256_file, staged_folders, write_bytes_atomic, write_json
from dpf_core.model import DPFModel
from dpf_core.naming import check_task_name
from dpf_core.prompt_attention import AttentionPrompts


def export_adapters(model: DPFModel, out_dir: Path) -> dict[str, dict[str, str]]:
    """Write one adapter a task and return the SHA-256 of its files, by task and file name.

    The same model gives the same bytes.

    Args:
        model: With a prompt at the input layer alone.
        out_dir: Gets a folder for each task, named by it; other files there stay.

    Raises:
        ConfigError: The model has no prompt, or prompts in deeper layers.
        GymError: The name of a task cannot be a folder's.
        OSError: A folder cannot be written; earlier files are untouched.
    """
    prompts = _fused_prompts(model)
    names = [check_task_name(task.name, "tasks of the pool") for task in model.tasks]
    config = _adapter_config(model)
    folders = [out_dir / name for name in names]
    hashes = {}
    with staged_folders(*folders) as staged:
        for name, folder, prompt in zip(names, staged, prompts, strict=True):
            _write_adapter(folder, prompt, config)
            files = (CONFIG_FILE, WEIGHTS_FILE)
            hashes[name] = {file: sha256_file(folder / file) for file in files}
    return hashes


@torch.no_grad()
def _fused_prompts(model: DPFModel) -> Tensor:
    """Return f at the input layer, [T, P, H] float32 on the CPU (equation 4)."""
    if model.front_end is None or isinstance(model.front_end, AttentionPrompts):
        raise ConfigError(
            "the method of an exported model must be one with prompts by task, got "
            f"{model.config.method!r} (model.method in params.yaml): it has no prompt, or one "
            "for each example. Train a pool with another method, or run the backbone itself."
        )
    if model.config.prompted_depth > 1:
        raise ConfigError(
            f"model.prompted_depth must be 1 for PEFT adapters, got {model.config.prompted_depth} "
            "(model.prompted_depth in params.yaml): prompt tuning has a prompt at the input layer "
            "alone, so those of the deeper layers would be lost. Export to ONNX, or train a pool "
            "of depth 1."
        )
    task_ids = torch.arange(len(model.tasks), device=model.backbone.device)
    fused: Tensor = model.front_end(task_ids)
    return fused[:, 0].float().cpu()


def _adapter_config(model: DPFModel) -> dict[str, Any]:
    """Return what PEFT must know; it fills in the number of layers and heads itself."""
    backbone = model.backbone
    return {
        "base_model_name_or_path": portable_name(backbone.config),
        "revision": backbone.config.revision,
        "peft_type": PEFT_TYPE,
        "task_type": TASK_TYPES[backbone.family.kind],
        "inference_mode": True,
        "num_virtual_tokens": model.config.prompt_length,
        "token_dim": backbone.hidden_size,
        "num_transformer_submodules": 1,  # an encoder-decoder's decoder would get a prompt with 2
        "prompt_tuning_init": "RANDOM",  # the one value that needs no tokenizer; overwritten
    }


def _write_adapter(folder: Path, prompt: Tensor, config: Mapping[str, Any]) -> None:
    # One key of metadata: the order of several would change from run to run.
    data = save({TENSOR_NAME: prompt.contiguous()}, metadata={"format": "pt"})
    write_bytes_atomic(folder / WEIGHTS_FILE, data)
    write_json(folder / CONFIG_FILE, config)
