"""What a new model takes over from an earlier pool or from PEFT adapters (`model.init_from`).

A task that the earlier pool had starts with the fused prompt and the label head that it ended with;
everything that the earlier folder does not have stays as it was assembled.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from dpf_core.adapters import CONFIG_FILE, WEIGHTS_FILE, find_adapters, read_adapter
from dpf_core.baselines import MultitaskPrompts, SharedPrompt, TaskPrompts
from dpf_core.errors import CheckpointError, ConfigError
from dpf_core.files import sha256_file
from dpf_core.front_end import FrontEnd
from dpf_core.heads import LabelTextHeads
from dpf_core.model import DPFModel
from dpf_core.pool_io import load_pool
from dpf_core.prompt_attention import AttentionPrompts

_POOL_FILES = ("config.json", "pool.safetensors")


def start_from(model: DPFModel, folder: Path) -> None:
    """Copy into a new model what the folder holds, and set the model's `origin`.

    From a pool: its prompts and gate, and for each task of the same name the scheduler logits, the
    task embedding and the label head. The temperature is the new model's; where it differs, the
    copied logits are scaled so that the mixing weights (equation 1) are the earlier ones.

    From adapters: their prompts, in the order of the folders' names, become the first prompts of
    the pool, or the shared prompt, at the input layer; deeper layers stay as assembled. An adapter
    does not say which weights it was trained on, so that they are this backbone's is for the caller
    to know; its kind and hidden size are checked.

    Args:
        model: As assembled; changed in place.
        folder: An earlier pool, an adapter, or a folder whose sub-folders are adapters.

    Raises:
        ConfigError: The folder is none of these, or the model has no room for it.
        CheckpointError: It is damaged, or belongs to another model.
    """
    adapters = _adapters(folder)
    if adapters:
        _start_from_adapters(model, adapters)
        names = [path.name for path in adapters]
        files = [path / name for path in adapters for name in (CONFIG_FILE, WEIGHTS_FILE)]
        model.origin = {"kind": "adapters", "prompts": names}
    else:
        names = _start_from_pool(model, folder)
        files = [folder / name for name in _POOL_FILES]
        model.origin = {"kind": "pool", "tasks": names}
    model.origin["sha256"] = _content_sha256(folder, files)


def _adapters(folder: Path) -> list[Path]:
    """Return the adapters of the folder; none if it is an earlier pool."""
    is_pool = (folder / _POOL_FILES[0]).is_file() and not (folder / CONFIG_FILE).is_file()
    try:
        adapters = [] if is_pool else find_adapters(folder)
        found = "no such files"
    except OSError as error:
        adapters, found = [], error.strerror or type(error).__name__
    if not adapters and not is_pool:
        raise ConfigError(
            f"model.init_from must be the folder of a pool ({_POOL_FILES[0]}), of a PEFT adapter "
            f"({CONFIG_FILE}), or of such adapters, got {str(folder)!r}: {found} (model.init_from "
            "in params.yaml). Correct it, or set null to start anew."
        )
    return adapters


def _start_from_adapters(model: DPFModel, adapters: list[Path]) -> None:
    if not isinstance(model.front_end, FrontEnd | SharedPrompt):
        raise ConfigError(
            f"model.method must be dpf or shared_prompt to start from adapters, got "
            f"{model.config.method!r} with {adapters[0]}: it has no prompt that tasks share. Set "
            "model.init_from to null in params.yaml, or choose one of these methods."
        )
    room = model.config.pool_size if isinstance(model.front_end, FrontEnd) else 1
    if len(adapters) > room:
        raise ConfigError(
            f"the adapters in model.init_from must be at most {room}, the prompts of method "
            f"{model.config.method}, got {len(adapters)} ({adapters[0].parent}). Raise "
            "model.pool_size in params.yaml, or take adapters away."
        )
    all_prompts = _all_prompts(model.front_end)
    prompts = [
        read_adapter(
            path,
            model.backbone.family.kind,
            prompt_length=all_prompts.shape[2],
            hidden_size=model.backbone.hidden_size,
        )
        for path in adapters
    ]
    with torch.no_grad():
        all_prompts[: len(prompts), 0] = torch.stack(prompts)


def _all_prompts(front_end: FrontEnd | SharedPrompt) -> Tensor:
    """Return the parameter's own values as [K, D, P, H]; K is 1 for a shared prompt."""
    if isinstance(front_end, FrontEnd):
        return front_end.pool.prompts
    return front_end.prompt.unsqueeze(0)


def _start_from_pool(model: DPFModel, folder: Path) -> list[str]:
    """Copy from an earlier pool and return the names of the tasks that it had."""
    earlier = load_pool(folder, model.backbone)
    _check_settings(model, earlier, folder)
    _check_no_private_prompts(earlier, folder)
    pairs = _shared_tasks(model, earlier, folder)
    starts_by_task = model.config.method in ("heads_only", "single_task")
    if starts_by_task and not pairs:
        raise ConfigError(
            "a pool without shared prompts must share a task with model.init_from, got none of "
            f"{', '.join(task.name for task in earlier.tasks)} ({folder}). Set model.init_from to "
            "null in params.yaml."
        )
    with torch.no_grad():
        _copy_front_end(model, earlier, pairs)
        copy_backbone(model, earlier)
        if model.heads is not None and earlier.heads is not None:
            for task_id, earlier_id in pairs.items():
                _copy_head(model.heads, task_id, earlier.heads, earlier_id)
    return [model.tasks[task_id].name for task_id in pairs]


def _check_settings(model: DPFModel, earlier: DPFModel, folder: Path) -> None:
    names = ["method"]
    if model.front_end is not None:
        names += ["prompt_length", "prompted_depth"]
    if isinstance(model.front_end, FrontEnd | AttentionPrompts):
        names.append("pool_size")
    if isinstance(model.front_end, FrontEnd):
        names += ["gate_mode", "scheduler_top_k"]
    if model.heads is not None:
        names.append("head_scale")
    wanted, found = (
        {name: getattr(part.config, name) for name in names} for part in (model, earlier)
    )
    if model.config.method == "attempt":  # its sources are the earlier tasks' prompts
        wanted["method"], found["pool_size"] = "single_task", len(earlier.tasks)
    for name in names:
        if wanted[name] != found[name]:
            raise CheckpointError(
                f"a pool to start from must have model.{name} {wanted[name]} as params.yaml asks, "
                f"got {found[name]} ({folder}). Set model.{name} to {found[name]}, or name another "
                "pool in model.init_from."
            )


def _check_no_private_prompts(earlier: DPFModel, folder: Path) -> None:
    front_end = earlier.front_end
    if isinstance(front_end, FrontEnd) and front_end.private_prompts is not None:
        raise CheckpointError(
            f"a pool to start from must be without private prompts, which a new model has no place "
            f"for, got one that tasks have joined in mode private ({folder}). Name the pool from "
            "before they joined in model.init_from."
        )


def _shared_tasks(model: DPFModel, earlier: DPFModel, folder: Path) -> dict[int, int]:
    """Return the task id of each task that the earlier pool had too, and its id there."""
    known = {task.name: task_id for task_id, task in enumerate(earlier.tasks)}
    pairs = {i: known[task.name] for i, task in enumerate(model.tasks) if task.name in known}
    for task_id, earlier_id in pairs.items():
        new, old = model.tasks[task_id], earlier.tasks[earlier_id]
        for name in ("kind", "labels", "label_texts"):
            wanted, found = getattr(new, name), getattr(old, name)
            if wanted != found:
                raise CheckpointError(
                    f"the {name} of task {new.name!r} must be {wanted} in the pool to start from, "
                    f"got {found} ({folder}). Rename the task, so that it starts anew, or name "
                    "another pool in model.init_from."
                )
    return pairs


def _copy_front_end(model: DPFModel, earlier: DPFModel, pairs: dict[int, int]) -> None:
    new, old = model.front_end, earlier.front_end
    if isinstance(new, SharedPrompt) and isinstance(old, SharedPrompt):
        new.prompt.copy_(old.prompt)
    elif isinstance(new, AttentionPrompts) and isinstance(old, TaskPrompts):
        new.sources.copy_(old.prompts)
    elif isinstance(new, MultitaskPrompts) and isinstance(old, MultitaskPrompts):
        new.prompt.copy_(old.prompt)
        for i, j in pairs.items():
            new.position_factors[i] = old.position_factors[j]
            new.hidden_factors[i] = old.hidden_factors[j]
    elif isinstance(new, TaskPrompts) and isinstance(old, TaskPrompts):
        for i, j in pairs.items():
            new.prompts[i] = old.prompts[j]
    elif isinstance(new, FrontEnd) and isinstance(old, FrontEnd):
        new.pool.prompts.copy_(old.pool.prompts)
        for mine, theirs in zip(new.fusion.gate_tensors(), old.fusion.gate_tensors(), strict=True):
            mine.copy_(theirs)
        scale = new.scheduler.temperature / old.scheduler.temperature
        for i, j in pairs.items():
            new.scheduler.scheduler_logits[i] = old.scheduler.scheduler_logits[j] * scale
            new.fusion.task_embedding[i] = old.fusion.task_embedding[j]


def copy_backbone(new: DPFModel, old: DPFModel) -> None:
    """Copy the backbone's weights where they are trained."""
    for name, tensor in new.trainable_parameters().items():
        if name.startswith("backbone."):
            tensor.copy_(old.get_parameter(name))


def _copy_head(new: LabelTextHeads, task_id: int, old: LabelTextHeads, earlier_id: int) -> None:
    rows, earlier_rows = new.label_rows(task_id), old.label_rows(earlier_id)
    new.delta[rows] = old.delta[earlier_rows]
    new.bias[rows] = old.bias[earlier_rows]


def _content_sha256(folder: Path, files: Iterable[Path]) -> str:
    """Return the SHA-256 of the list of file names, below the folder, and hashes."""
    names = {path.relative_to(folder).as_posix(): path for path in files}
    lines = "".join(f"{name} {sha256_file(names[name])}\n" for name in sorted(names))
    return hashlib.sha256(lines.encode()).hexdigest()
