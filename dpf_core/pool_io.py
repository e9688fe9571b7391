"""A trained pool on disk: `pool.safetensors` with the trained tensors, `config.json` with the rest.

A frozen backbone is not stored, only named and hashed: a pool without its own backbone is refused.
One that was trained is stored beside, in `backbone.safetensors`, under the model library's names.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from dpf_core.assembly import assemble_to_fill
from dpf_core.backbone.files import settings_sha256
from dpf_core.backbone.frozen import Backbone
from dpf_core.config import LATER_MODEL_SETTINGS, BackboneConfig, ModelConfig
from dpf_core.config_reading import from_mapping, to_mapping
from dpf_core.errors import CheckpointError, ConfigError, DPFError
from dpf_core.files import read_json, sha256_file, staged_folders, write_bytes_atomic, write_json
from dpf_core.front_end import FrontEnd
from dpf_core.gym.terms import KINDS, METRICS
from dpf_core.heads import HeadSpec
from dpf_core.model import DPFModel

FORMAT = "dpf-pool/2"

TENSOR_NAMES = {
    "front_end.pool.prompts": "pool",
    "front_end.scheduler.scheduler_logits": "scheduler_logits",
    "front_end.scheduler.log_temperature": "log_temperature",
    "front_end.private_prompts": "private_prompts",
    "front_end.fusion.task_embedding": "task_embedding",
    "front_end.fusion.gate_weight": "gate.weight",
    "front_end.fusion.gate_bias": "gate.bias",
    "front_end.prompt": "shared_prompt",
    "front_end.prompts": "task_prompts",
    "front_end.position_factors": "position_factors",
    "front_end.hidden_factors": "hidden_factors",
    "front_end.sources": "source_prompts",
    "front_end.attention.down": "attention.down",
    "front_end.attention.up": "attention.up",
    "front_end.attention.norm.weight": "attention.norm.weight",
    "front_end.attention.norm.bias": "attention.norm.bias",
    "heads.delta": "head.delta",
    "heads.bias": "head.bias",
}
"""Parameter to its name in pool.safetensors; which of them a pool has depends on its settings."""


POOL_FILE, BACKBONE_FILE, CONFIG_FILE = "pool.safetensors", "backbone.safetensors", "config.json"
_BACKBONE_PREFIX = "backbone.model."


def save_pool(folder: Path, model: DPFModel, *, extra: Mapping[str, Any]) -> None:
    """Write a trained pool.

    Args:
        folder: Made where it does not exist.
        model: Its trainable tensors and settings are written.
        extra: Further JSON values for config.json, such as the hash of the gym's manifest.

    Raises:
        OSError: The folder cannot be written; an earlier pool is untouched.
    """
    backbone = model.backbone
    history: dict[str, Any] = {} if model.origin is None else {"init_from": model.origin}
    if len(model.task_groups) > 1:
        history["task_groups"] = list(model.task_groups)
    if isinstance(model.front_end, FrontEnd) and model.front_end.private_prompts is not None:
        history["has_private_prompts"] = True
    with staged_folders(folder) as (fresh,):
        for file, named in _stored(model).items():
            tensors = {name: tensor.detach().contiguous() for name, tensor in named.items()}
            write_bytes_atomic(fresh / file, save(tensors))
        config = {
            "format": FORMAT,
            "backbone": to_mapping(backbone.config)
            | {
                "sha256": backbone.sha256,
                "settings_sha256": settings_sha256(backbone.directory),
                "model_type": backbone.model_type,
                "hidden_size": backbone.hidden_size,
            },
            "model": to_mapping(model.config),
            "tasks": [task_record(task_id, spec) for task_id, spec in enumerate(model.tasks)],
            "sha256": {path.name: sha256_file(path) for path in sorted(fresh.iterdir())},
            **history,
            **extra,
        }
        write_json(fresh / CONFIG_FILE, config)


def task_record(task_id: int, spec: HeadSpec) -> dict[str, Any]:
    """Return what the pool's and the export's JSON say of a task."""
    return {
        "id": task_id,
        "name": spec.name,
        "kind": spec.kind,
        "labels": list(spec.labels),
        "label_texts": list(spec.label_texts),
        "metric": spec.metric,
        "description": spec.description,
    }


def read_pool_config(folder: Path) -> dict[str, Any]:
    """Return config.json of a pool.

    Raises:
        CheckpointError: It is missing, no JSON, of another format, or incomplete.
    """
    path = folder / CONFIG_FILE
    try:
        config = read_json(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"a pool must have a readable config.json, got {type(error).__name__}: {error} "
            f"({path}). Train the pool again: dvc repro train."
        ) from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else config
        raise CheckpointError(
            f"a pool's format must be {FORMAT!r}, got {found!r} ({path}). Train the pool again "
            "with this version."
        )
    _check_parts(config, path)
    return config


def backbone_config(config: Mapping[str, Any]) -> BackboneConfig:
    """Return the settings of the backbone that a pool was trained with."""
    fields = BackboneConfig.__dataclass_fields__
    values = {key: value for key, value in config["backbone"].items() if key in fields}
    return from_mapping(BackboneConfig, values, "backbone in the pool's config.json")


def load_pool(folder: Path, backbone: Backbone) -> DPFModel:
    """Return the trained model.

    Args:
        folder: As `save_pool` wrote it.
        backbone: The one that the pool was trained with.

    Raises:
        CheckpointError: The files are damaged, or belong to another backbone.
    """
    config = read_pool_config(folder)
    expected = config["backbone"]["sha256"]
    if backbone.sha256 != expected:
        raise CheckpointError(
            f"the backbone's weights must have SHA-256 {expected}, got {backbone.sha256} "
            f"({backbone.directory}). Use the backbone that the pool in {folder} was trained with: "
            f"{config['backbone']['name']}."
        )
    settings, found = config["backbone"].get("settings_sha256"), settings_sha256(backbone.directory)
    if settings not in (None, found):  # pools of earlier versions say nothing of it
        raise CheckpointError(
            f"the backbone's config.json and tokenizer must have SHA-256 {settings} together, got "
            f"{found} ({backbone.directory}). Use the files that the pool in {folder} was trained "
            "with."
        )
    try:
        values = {**LATER_MODEL_SETTINGS, **config["model"]}
        model_config = from_mapping(ModelConfig, values, f"model in {folder / CONFIG_FILE}")
        tasks, groups = _tasks(config), _task_groups(config, folder)
        model = assemble_to_fill(backbone, tasks, model_config, groups)
    except ConfigError as error:
        raise CheckpointError(
            f"a pool must be one that this version can assemble, got {folder / CONFIG_FILE}: "
            f"{error}"
        ) from error
    model.origin = config.get("init_from")
    if isinstance(model.front_end, FrontEnd) and config.get("has_private_prompts"):
        model.front_end.add_private_prompts()
    for file, named in _stored(model).items():
        _fill_all(named, folder / file, config["sha256"].get(file))
    return model


def _stored(model: DPFModel) -> dict[str, dict[str, torch.nn.Parameter]]:
    """Return each file of the pool with the tensors that it holds, by their names there."""
    files: dict[str, dict[str, torch.nn.Parameter]] = {POOL_FILE: {}}
    for name, tensor in model.trainable_parameters().items():
        if name.startswith(_BACKBONE_PREFIX):
            inside = files.setdefault(BACKBONE_FILE, {})
            inside[name.removeprefix(_BACKBONE_PREFIX)] = tensor
        else:
            files[POOL_FILE][TENSOR_NAMES[name]] = tensor
    return files


def _fill_all(named: Mapping[str, torch.nn.Parameter], path: Path, expected: str | None) -> None:
    tensors = _read_tensors(path, expected)
    if unknown := sorted(tensors.keys() - named.keys()):
        raise CheckpointError(
            f"the pool's tensors must be {', '.join(named)}, got an unknown {unknown[0]!r} "
            f"({path}). Train the pool again with this version."
        )
    for name, parameter in named.items():
        _fill(parameter, tensors, name, path)


def _check_parts(config: Mapping[str, Any], path: Path) -> None:
    try:
        _check_tasks(_tasks(config))
        backbone_config(config)
        _ = {**config["model"]}, config["backbone"]["sha256"], config["sha256"][POOL_FILE]
    except (KeyError, TypeError, AttributeError, ValueError, DPFError) as error:
        raise CheckpointError(
            f"a pool's config.json must be complete, got {type(error).__name__}: {error} ({path}). "
            "Train the pool again with this version."
        ) from error


def _check_tasks(tasks: Sequence[HeadSpec]) -> None:
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        raise ConfigError(f"names of tasks must differ, got {', '.join(names)}")
    for task in tasks:
        is_known = task.kind in KINDS and task.metric in METRICS
        if not is_known or len(task.labels) != len(task.label_texts):
            raise ConfigError(
                f"a task must have a known kind and metric, and a text for each label, got {task}"
            )


def _tasks(config: Mapping[str, Any]) -> list[HeadSpec]:
    names = HeadSpec.__dataclass_fields__
    return [
        from_mapping(HeadSpec, {name: task[name] for name in names}, f"task {number}")
        for number, task in enumerate(config["tasks"])
    ]


def _task_groups(config: Mapping[str, Any], folder: Path) -> list[int] | None:
    groups: list[int] | None = config.get("task_groups")
    if groups is None:
        return None
    is_list = isinstance(groups, list) and all(type(size) is int and size > 0 for size in groups)
    if not is_list or sum(groups) != len(config["tasks"]):
        raise CheckpointError(
            f"a pool's task_groups must be numbers of tasks with the sum {len(config['tasks'])}, "
            f"got {groups!r} ({folder / 'config.json'}). Make the pool again with this version."
        )
    return groups


def _read_tensors(path: Path, expected: str | None) -> dict[str, Tensor]:
    try:
        found = sha256_file(path)
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"a pool's tensors must be readable, got {type(error).__name__}: {error} ({path}). "
            "Restore the file (dvc checkout) or train again."
        ) from error
    if found != expected:
        raise CheckpointError(
            f"the pool's tensors must have SHA-256 {expected} as config.json says, got {found} "
            f"({path}). Restore the file (dvc checkout) or train again."
        )
    return tensors


def _fill(
    parameter: torch.nn.Parameter, tensors: Mapping[str, Tensor], name: str, path: Path
) -> None:
    if name not in tensors or tensors[name].shape != parameter.shape:
        found = tuple(tensors[name].shape) if name in tensors else "none"
        raise CheckpointError(
            f"the pool's tensor {name!r} must be {tuple(parameter.shape)}, got {found} "
            f"({path}). Train the pool again with this version."
        )
    with torch.no_grad():
        parameter.copy_(tensors[name])
