"""A new model: its parts are sized, started as configured, and checked to fit each other.

What an earlier pool or adapters give it comes afterwards, in `build.py`.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from dpf_core.backbone.frozen import Backbone
from dpf_core.backbone.texts import embed_texts
from dpf_core.baselines import MultitaskPrompts, SharedPrompt, TaskPrompts
from dpf_core.config import ModelConfig
from dpf_core.errors import ConfigError
from dpf_core.front_end import AnyFrontEnd, FrontEnd
from dpf_core.fusion import Fusion
from dpf_core.heads import HeadSpec, LabelTextHeads
from dpf_core.initialisation import start_prompts, start_task_embeddings
from dpf_core.model import DPFModel
from dpf_core.prompt_attention import AttentionPrompts
from dpf_core.prompts import PromptPool
from dpf_core.task_scheduler import TaskScheduler

_WITHOUT_PROMPT = ("heads_only", "full_finetune")


def assemble_model(
    backbone: Backbone,
    tasks: Sequence[HeadSpec],
    config: ModelConfig,
    generator: torch.Generator,
    task_groups: Sequence[int] | None = None,
) -> DPFModel:
    """Return a model on the backbone's device, without regard to `init_from`.

    Args:
        backbone: Frozen; full_finetune trains a copy.
        tasks: In task-id order.
        config: Method, sizes and starting values.
        generator: Of what starts at random.
        task_groups: Numbers of tasks that joined together, in order; None where all did at once.
            Labels of a group are embedded and scored apart, so that its bits stay as they were.

    Raises:
        ConfigError: The prompt does not fit the backbone, or it cannot serve a task.
    """
    check_served(backbone, tasks)
    _check_fit(backbone, config)
    heads = None
    if backbone.family.kind == "encoder":
        heads = _start_heads(backbone, tasks, config.head_scale, task_groups or [len(tasks)])
    elif config.method == "heads_only":
        raise ConfigError(
            "model.method must be any but heads_only for a decoder or encoder-decoder, got "
            "heads_only: it ranks answers by their likelihood and has no head, so nothing would be "
            "trained. Correct model.method in params.yaml."
        )
    front_end = _start_front_end(backbone, tasks, config, generator)
    if config.method == "full_finetune":
        backbone = backbone.unfrozen_copy()
    for part in (front_end, heads):  # the backbone is in its place, and may not be moved
        if part is not None:
            part.to(backbone.device)
    return DPFModel(backbone, front_end, heads, tasks, config, task_groups)


def assemble_to_fill(
    backbone: Backbone,
    tasks: Sequence[HeadSpec],
    config: ModelConfig,
    task_groups: Sequence[int] | None = None,
) -> DPFModel:
    """Return a model whose trained tensors are to be filled with those of another.

    What they would start as is not computed, so that a task may lack the texts for it.

    Raises:
        ConfigError: As `assemble_model`.
    """
    plain = replace(config, pool_init="random", task_embedding_init="random")
    model = assemble_model(backbone, tasks, plain, torch.Generator(), task_groups)
    model.config = config
    return model


def check_served(backbone: Backbone, tasks: Sequence[HeadSpec]) -> None:
    """Return if the backbone can answer every task.

    Raises:
        ConfigError: A task wants free text, which an encoder cannot write.
    """
    served = backbone.served_kinds
    refused = [task.name for task in tasks if task.kind not in served]
    if refused:
        shown = ", ".join(refused[:5]) + (", ..." if len(refused) > 5 else "")
        raise ConfigError(
            f"tasks for a {backbone.model_type} backbone must be {' or '.join(served)}, got "
            f"{len(refused)} of {len(tasks)} that want free text ({shown}). Choose by kind: "
            f"ingest.tasks: [{', '.join(served)}] in params.yaml; or name a decoder or "
            "encoder-decoder."
        )


def _start_heads(
    backbone: Backbone, tasks: Sequence[HeadSpec], scale: float, task_groups: Sequence[int]
) -> LabelTextHeads:
    remaining = iter(tasks)
    texts = [
        [text for task in islice(remaining, size) for text in task.label_texts]
        for size in task_groups
    ]
    vectors = torch.cat([embed_texts(backbone, group) for group in texts])
    return LabelTextHeads(tasks, vectors, scale=scale, group_sizes=[len(group) for group in texts])


def _start_front_end(
    backbone: Backbone,
    tasks: Sequence[HeadSpec],
    config: ModelConfig,
    generator: torch.Generator,
) -> AnyFrontEnd | None:
    if config.method in _WITHOUT_PROMPT:
        return None
    if config.method in ("single_task", "mpt", "attempt"):
        prompt = start_prompts(backbone, tasks, config, generator)[0]
        return _start_from_one(prompt, len(tasks), config, generator)
    if config.method == "shared_prompt":
        return SharedPrompt(start_prompts(backbone, tasks, config, generator)[0])
    task_embedding = start_task_embeddings(backbone, tasks, config, generator)
    prompts = start_prompts(backbone, tasks, config, generator)
    logits = torch.randn(len(tasks), config.pool_size, generator=generator)
    return FrontEnd(
        PromptPool(prompts),
        TaskScheduler(
            logits * config.scheduler_init_std,
            temperature=config.temperature,
            is_learned=config.temperature_mode == "learned",
            is_kept=config.temperature_mode == "annealed",
            is_fixed=config.scheduler_mode == "fixed",
            top_k=config.scheduler_top_k,
        ),
        Fusion(task_embedding, gate_bias=config.gate_bias, mode=config.gate_mode),
    )


def _start_from_one(
    prompt: Tensor, num_tasks: int, config: ModelConfig, generator: torch.Generator
) -> TaskPrompts | MultitaskPrompts | AttentionPrompts:
    """Return a front end all of whose tasks start from one prompt [D, P, H]."""
    if config.method == "mpt":
        return MultitaskPrompts(prompt, num_tasks=num_tasks)
    prompts = prompt.expand(num_tasks, -1, -1, -1)
    if config.method == "single_task":
        return TaskPrompts(prompts)
    return AttentionPrompts(
        prompts,
        torch.zeros(config.pool_size, *prompt.shape),  # filled from what was trained before
        attention_size=config.attention_size,
        temperature=config.attention_temperature,
        generator=generator,
    )


def _check_fit(backbone: Backbone, config: ModelConfig) -> None:
    if config.prompted_depth > backbone.num_layers and config.method not in _WITHOUT_PROMPT:
        raise ConfigError(
            f"prompted_depth must be <= {backbone.num_layers}, the layers of the backbone, got "
            f"{config.prompted_depth} (model.prompted_depth in params.yaml). Choose fewer layers."
        )
    limit, answer = backbone.max_positions, backbone.config.max_answer_length
    if limit is None:
        return
    if backbone.family.kind == "encoder_decoder" and answer > limit:
        raise ConfigError(
            f"max_answer_length must be <= {limit}, the positions of the backbone's decoder, got "
            f"{answer} (backbone.max_answer_length in params.yaml). Shorten it."
        )
    is_decoder = backbone.family.kind == "decoder"
    prompt_length = 0 if config.method in _WITHOUT_PROMPT else config.prompt_length
    longest = prompt_length + backbone.config.max_length + answer * is_decoder
    if longest > limit:
        parts, names = "prompt_length + max_length", "backbone.max_length"
        if is_decoder:
            parts, names = f"{parts} + max_answer_length", f"{names}, backbone.max_answer_length"
        raise ConfigError(
            f"{parts} must be <= {limit}, the backbone's context, got {longest} "
            f"(model.prompt_length, {names} in params.yaml). Shorten one of them."
        )
