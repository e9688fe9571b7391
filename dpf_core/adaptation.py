"""A model of one new task that starts from trained source tasks, and pools that grow by it.

Training itself is `training/loop.py`'s, with one task. What a new model of many tasks takes over
from files belongs to `earlier.py`.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from dpf_core.adaptation_sources import check_is_new, check_source
from dpf_core.assembly import assemble_model, assemble_to_fill
from dpf_core.backbone.frozen import Backbone
from dpf_core.backbone.texts import embed_texts
from dpf_core.baselines import MultitaskPrompts, SharedPrompt, TaskPrompts
from dpf_core.config import ModelConfig
from dpf_core.earlier import copy_backbone
from dpf_core.errors import ConfigError
from dpf_core.front_end import FrontEnd
from dpf_core.heads import HeadSpec, LabelTextHeads
from dpf_core.initialisation import task_words
from dpf_core.model import DPFModel
from dpf_core.prompt_attention import AttentionPrompts

LABEL_TEMPERATURE = 0.05
"""Divides the cosines of label texts: of as like a task, a label of the same words weighs some
three thousand times more than one at a cosine of 0.6."""

SIMILARITY_TEMPERATURE = 0.1
"""Divides the cosines of task texts. By the bundled encoder those of 6 with 8 CrossFit tasks were 0
to 0.25 for unlike tasks and 0.4 to 0.7 for like ones, which then weigh some thirty times more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdaptConfig:
    """How a model of one new task starts from its sources, and what of it is learned."""

    mode: Literal["append", "private", "joint"]
    """Of dpf, other methods do not read it. `append`: pool and gate stay as they are, and only the
    task's row of W, its embedding and its head are learned; `private`: so is a prompt of the task's
    own, which is added to the fused one; `joint`: pool, gate and all are, without such a prompt."""
    row_init: Literal["uniform", "similar"]
    """Of dpf, other methods do not read it. The task's row of W starts at zero, which mixes all
    prompts alike, or as the mean of the source tasks' rows, weighted by how like the tasks' names,
    labels and descriptions are."""
    head_init: Literal["zero", "similar"]
    """Of dpf, other methods do not read it. What the head adds to the vectors of its labels starts
    at zero, or as the mean of what source tasks have learned to add to theirs, weighted by how like
    tasks and labels are."""


def adapt_model(
    source: DPFModel | None,
    backbone: Backbone,
    spec: HeadSpec,
    config: ModelConfig,
    adapt: AdaptConfig,
    generator: torch.Generator,
    source_prompt: int | None = None,
) -> DPFModel:
    """Return a model of one new task at the start of its training.

    dpf starts with pool and gate of its source, shared_prompt with its prompt; single_task starts
    anew or with a source task's prompt; mpt starts with its source's shared prompt and with the
    means of the source tasks' factors; attempt attends to its source's prompts, which are its pool
    whatever `pool_size` says; heads_only starts anew; full_finetune trains a copy of its
    source's backbone, or of the pretrained one. The head starts anew but with `head_init: similar`.
    In the modes `append` and `private` the temperature stands where the source's ended; in `joint`
    a learned one goes on from there, and an annealed one has ended.

    Args:
        source: The trained source tasks; None for a method that starts anew.
        backbone: The one that the source was trained with, frozen.
        spec: The new task.
        config: Its method decides what starts from the source.
        adapt: What is learned.
        generator: Of what starts at random.
        source_prompt: Of single_task, any other method refuses it: id of the source task whose
            prompt it starts from, as SPoT does (arXiv 2110.07904); None starts anew.

    Raises:
        ConfigError: The method has no use for the source or needs one, or the two do not fit.
        TaskIdError: The source has the new task already, or no task of that id.
    """
    check_source(source, backbone, spec, config, source_prompt)
    if source is None:
        return assemble_model(backbone, [spec], config, generator)
    settings = _with_source_temperature(config, adapt, source)
    if config.method == "attempt":
        settings = replace(config, pool_size=len(source.tasks))
    model = assemble_model(backbone, [spec], settings, generator)
    with torch.no_grad():
        copy_backbone(model, source)
        _start_prompts(model, source, adapt, source_prompt)
    new = model.front_end
    if isinstance(new, FrontEnd) and adapt.mode != "joint":
        for tensor in _shared_tensors(new):
            tensor.requires_grad = False
    return model


def extend_pool(source: DPFModel, adapted: DPFModel) -> DPFModel:
    """Return a model of the source's tasks and of one more, adapted in mode `append` or `private`.

    What belongs to the earlier tasks keeps its bits, and so do their fused prompts and logits: the
    labels of the new task are scored apart (`LabelTextHeads.group_sizes`).

    Args:
        source: A dpf model; it is not changed.
        adapted: What `adapt_model` made from it, trained.

    Raises:
        ConfigError: The adapted model has another pool, gate or temperature.
        TaskIdError: The source has the task already.
    """
    old, new = source.front_end, adapted.front_end
    if not isinstance(old, FrontEnd) or not isinstance(new, FrontEnd):
        raise ConfigError(
            "the models of extend_pool must have the method dpf, got "
            f"{source.config.method} and {adapted.config.method}. Other methods have no pool."
        )
    _check_appended(old, new)
    for spec in adapted.tasks:
        check_is_new(source, spec)
    model = assemble_to_fill(
        source.backbone,
        [*source.tasks, *adapted.tasks],
        source.config,
        [*source.task_groups, *adapted.task_groups],
    )
    assert isinstance(model.front_end, FrontEnd), "assembled as the source's method"
    model.origin = source.origin
    with torch.no_grad():
        _start_pool(model.front_end, old)
        for name in ("scheduler.scheduler_logits", "fusion.task_embedding"):
            parts = tuple(part.get_parameter(name) for part in (old, new))
            model.front_end.get_parameter(name).copy_(torch.cat(parts))
        _join_private_prompts(model.front_end, old, new)
        _join_heads(model.heads, source.heads, adapted.heads)
    return model


@torch.no_grad()
def most_similar_prompt(source: DPFModel, prompt: Tensor) -> int:
    """Return the id of the source task whose prompt is most like the given one.

    As SPoT compares prompts (arXiv 2110.07904): by the cosine of their mean tokens. Here
    those of the input layer.

    Args:
        source: A single_task model.
        prompt: [D, P, H], from the same start as the source's.

    Raises:
        ConfigError: The source has another method.
    """
    if not isinstance(source.front_end, TaskPrompts):
        raise ConfigError(
            f"the source of most_similar_prompt must have the method single_task, got "
            f"{source.config.method}. Train the source tasks with model.method: single_task."
        )
    tokens = source.front_end.prompts[:, 0].mean(dim=1)  # [T, H]
    mine = prompt[0].mean(dim=0).to(tokens)
    return int(nn.functional.cosine_similarity(tokens, mine, dim=-1).argmax())


def _start_prompts(
    model: DPFModel, source: DPFModel, adapt: AdaptConfig, source_prompt: int | None
) -> None:
    new, old = model.front_end, source.front_end
    if isinstance(new, FrontEnd) and isinstance(old, FrontEnd):
        _start_pool(new, old)
        if adapt.mode == "private":
            new.add_private_prompts()
        if adapt.row_init == "similar":
            weights = _similarities(source, model.tasks[0])
            new.scheduler.scheduler_logits[0] = weights @ old.scheduler.scheduler_logits
        if adapt.head_init == "similar":
            _start_head(model, source)
    elif isinstance(new, SharedPrompt) and isinstance(old, SharedPrompt):
        new.prompt.copy_(old.prompt)
    elif isinstance(new, TaskPrompts) and isinstance(old, TaskPrompts):
        assert source_prompt is not None, "check_source allows no source otherwise"
        new.prompts[0] = old.prompts[source_prompt]
    elif isinstance(new, AttentionPrompts) and isinstance(old, TaskPrompts):
        new.sources.copy_(old.prompts)
    elif isinstance(new, MultitaskPrompts) and isinstance(old, MultitaskPrompts):
        new.prompt.copy_(old.prompt)
        new.position_factors[0] = old.position_factors.mean(dim=0)
        new.hidden_factors[0] = old.hidden_factors.mean(dim=0)


def _with_source_temperature(
    config: ModelConfig, adapt: AdaptConfig, source: DPFModel
) -> ModelConfig:
    """Return the settings with a temperature that stands where the source's ended."""
    if not isinstance(source.front_end, FrontEnd) or config.temperature_mode == "fixed":
        return config
    if config.temperature_mode == "learned" and adapt.mode == "joint":
        return config
    return replace(
        config,
        temperature=source.front_end.scheduler.temperature,
        temperature_mode="fixed",
        final_temperature=None,
    )


def _shared_tensors(front_end: FrontEnd) -> list[nn.Parameter]:
    """Return what all tasks of a pool share, but the temperature."""
    return [front_end.pool.prompts, *front_end.fusion.gate_tensors()]


def _start_pool(new: FrontEnd, old: FrontEnd) -> None:
    """Copy what all tasks share; the new rows of W start at zero."""
    for mine, theirs in zip(_shared_tensors(new), _shared_tensors(old), strict=True):
        mine.copy_(theirs)
    if new.scheduler.log_temperature is not None and old.scheduler.log_temperature is not None:
        new.scheduler.log_temperature.copy_(old.scheduler.log_temperature)
    new.scheduler.scheduler_logits.zero_()


def _start_head(model: DPFModel, source: DPFModel) -> None:
    """Let the head add to each label's vector what like labels of like source tasks had added."""
    new, old = model.heads, source.heads
    if new is None or old is None or not len(new.label_vectors) or not len(old.label_vectors):
        return  # a language model, or options that come with each example
    weights = _similarities(source, model.tasks[0]).log()
    owners = [number for number, task in enumerate(source.tasks) for _ in task.labels]
    cosines = new.label_vectors @ old.label_vectors.T  # [L of the new task, L of the source's]
    likeness = cosines / LABEL_TEMPERATURE + weights[owners]
    new.delta.copy_(torch.softmax(likeness, dim=1) @ old.delta)


def _similarities(source: DPFModel, spec: HeadSpec) -> Tensor:
    """Return [T], weights of the source tasks that sum to 1, by the likeness of their texts."""
    texts = [_task_text(task) for task in (*source.tasks, spec)]
    vectors = nn.functional.normalize(embed_texts(source.backbone, texts), dim=-1)
    return torch.softmax(vectors[:-1] @ vectors[-1] / SIMILARITY_TEMPERATURE, dim=0)


def _task_text(task: HeadSpec) -> str:
    return " ".join([task_words(task, "name"), *task.label_texts, task.description])


def _check_appended(old: FrontEnd, new: FrontEnd) -> None:
    pairs = zip(_shared_tensors(new), _shared_tensors(old), strict=True)
    is_same = all(torch.equal(mine, theirs) for mine, theirs in pairs)
    if not is_same or new.scheduler.temperature != old.scheduler.temperature:
        raise ConfigError(
            "a model that joins a pool must have the pool's own prompts, gate and temperature, got "
            "others. Adapt it from this source in the mode append or private."
        )


def _join_private_prompts(joined: FrontEnd, old: FrontEnd, new: FrontEnd) -> None:
    """Fill the private prompts of two front ends; those of tasks without one stay at zero."""
    if old.private_prompts is None and new.private_prompts is None:
        return
    prompts = joined.add_private_prompts()
    num_old = old.scheduler.num_tasks
    for part, mine in ((old, prompts[:num_old]), (new, prompts[num_old:])):
        if part.private_prompts is not None:
            mine.copy_(part.private_prompts)


def _join_heads(
    joined: LabelTextHeads | None, old: LabelTextHeads | None, new: LabelTextHeads | None
) -> None:
    if joined is None or old is None or new is None:
        return  # a language model ranks texts and has no heads
    for name in ("label_vectors", "delta", "bias"):
        parts = [getattr(part, name) for part in (old, new)]
        getattr(joined, name).copy_(torch.cat(parts))
