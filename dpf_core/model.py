"""The whole model: a front end that makes prompts, a frozen backbone, and heads.

This module only composes the parts; each equation lives in the file that its part names.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dpf_core.backbone.encoder import Backbone
from dpf_core.backbone.prompt_placement import place_prompt, prompt_start
from dpf_core.config import ModelConfig
from dpf_core.errors import ConfigError, TaskIdError
from dpf_core.fusion import Fusion
from dpf_core.heads import HeadSpec, LabelTextHeads, mean_over_tokens
from dpf_core.naming import nearest
from dpf_core.prompts import PromptPool, sample_vocabulary
from dpf_core.task_scheduler import TaskScheduler

SERVED_KINDS = ("classification", "multiple_choice")
"""Kinds of tasks that an encoder can answer: it scores given candidates."""


class FrontEnd(nn.Module):
    """Fused prompts from pool, task scheduler and gate: equations 1 to 4.

    >>> front_end = FrontEnd(
    ...     PromptPool(torch.zeros(4, 1, 2, 8)),
    ...     TaskScheduler(torch.zeros(3, 4), temperature=0.9),
    ...     Fusion(torch.zeros(3, 8), gate_bias=-2.0),
    ... )
    >>> front_end(torch.tensor([2, 0])).shape
    torch.Size([2, 1, 2, 8])
    """

    def __init__(self, pool: PromptPool, scheduler: TaskScheduler, fusion: Fusion) -> None:
        super().__init__()
        self.pool = pool
        self.scheduler = scheduler
        self.fusion = fusion

    def forward(self, task_ids: Tensor) -> Tensor:
        """Return [B, D, P, H] for task ids [B]."""
        fused: Tensor = self.fusion(task_ids, self.pool(self.scheduler(task_ids)))
        return fused

    @torch.no_grad()
    def pool_gradient_norms(self, task_ids: Tensor, prompt_gradients: Tensor) -> Tensor:
        """Return || d L_t / d pool || of each task, exactly, from its fused prompt's gradient.

        The pool's gradient of a task is the outer product of its mixing weights and its gated
        prompt gradient, so its norm is the product of the two norms.

        Args:
            task_ids: [B], each task once.
            prompt_gradients: [B, D, P, H], d L_t / d f_t without task weights.

        Returns:
            [B] float32.
        """
        open_share = 1 - self.fusion.gate(task_ids)[:, None, None, :]
        gated: Tensor = (open_share * prompt_gradients).flatten(1).norm(dim=1)
        mixing: Tensor = self.scheduler(task_ids).norm(dim=1)
        return mixing * gated


class SharedPrompt(nn.Module):
    """Baseline: one soft prompt for every task.

    Args:
        prompt: [D, P, H] start values.

    >>> SharedPrompt(torch.zeros(1, 2, 8))(torch.tensor([5, 0])).shape
    torch.Size([2, 1, 2, 8])
    """

    def __init__(self, prompt: Tensor) -> None:
        super().__init__()
        self.prompt = nn.Parameter(prompt.detach().clone().float())

    def forward(self, task_ids: Tensor) -> Tensor:
        """Return [B, D, P, H], the same prompt for each task id of [B]."""
        return self.prompt.unsqueeze(0).expand(len(task_ids), -1, -1, -1)

    @torch.no_grad()
    def pool_gradient_norms(self, task_ids: Tensor, prompt_gradients: Tensor) -> Tensor:
        """Return [B], the norms of d L_t / d prompt; the shared prompt is the whole pool."""
        del task_ids
        norms: Tensor = prompt_gradients.flatten(1).norm(dim=1)
        return norms


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Tokenised examples of one kind of head, padded to their longest."""

    task_ids: Tensor
    """[B] int64."""
    input_ids: Tensor
    """[B, S] int64."""
    attention_mask: Tensor
    """[B, S] int64, 1 on real tokens."""
    options: Tensor | None = None
    """[B, O, H] option vectors where the tasks are multiple choice."""


class DPFModel(nn.Module):
    """Dynamic Prompt Fusion over a frozen backbone.

    Args:
        backbone: Frozen; none of its tensors is ever trained.
        front_end: Makes the prompts; None is the baseline without prompts.
        heads: Score the labels.
        tasks: In task-id order.
        config: The settings that the parts were made with.
    """

    def __init__(
        self,
        backbone: Backbone,
        front_end: FrontEnd | SharedPrompt | None,
        heads: LabelTextHeads,
        tasks: Sequence[HeadSpec],
        config: ModelConfig,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.front_end = front_end
        self.heads = heads
        self.tasks = tuple(tasks)
        self.config = config

    def task_id(self, name: str) -> int:
        """Return the id of a task.

        Raises:
            TaskIdError: The model has no such task.
        """
        names = [task.name for task in self.tasks]
        if name not in names:
            raise TaskIdError(
                f"the task must be one of {', '.join(names)}, got {name!r}.{nearest(name, names)}"
            )
        return names.index(name)

    def trainable_parameters(self) -> dict[str, nn.Parameter]:
        """Return every trained tensor under the name that it has on disk."""
        named = {f"heads.{name}": tensor for name, tensor in self.heads.named_parameters()}
        if self.front_end is not None:
            named |= {f"front_end.{n}": tensor for n, tensor in self.front_end.named_parameters()}
        return dict(sorted(named.items()))

    def forward(self, batch: Batch) -> Tensor:
        """Return logits [B, C] (equations 1 to 5 and the head)."""
        if bool((batch.task_ids < 0).any() | (batch.task_ids >= len(self.tasks)).any()):
            raise TaskIdError(
                f"task ids must be in [0, {len(self.tasks)}), got {batch.task_ids.tolist()}. "
                "The ids stand in the pool's config.json."
            )
        prompts = None if self.front_end is None else self.front_end(batch.task_ids)
        return self.score(prompts, batch)

    def score(self, prompts: Tensor | None, batch: Batch) -> Tensor:
        """Return logits [B, C] for given fused prompts [B, D, P, H], equation 5 and the head."""
        embeds, mask = self.backbone.embed(batch.input_ids), batch.attention_mask
        real = mask
        layer_prompts = None
        if prompts is not None:
            embeds, mask = place_prompt(prompts[:, 0], embeds, batch.attention_mask)
            real = _without_prompt(mask, batch.attention_mask)
            layer_prompts = prompts[:, 1:] if prompts.shape[1] > 1 else None
        hidden = self.backbone.encode(embeds, mask, layer_prompts)
        logits: Tensor = self.heads(mean_over_tokens(hidden, real), batch.task_ids, batch.options)
        return logits


def build_model(
    backbone: Backbone, tasks: Sequence[HeadSpec], config: ModelConfig, generator: torch.Generator
) -> DPFModel:
    """Return a model at the start of training.

    Raises:
        ConfigError: The prompt does not fit the backbone, or it cannot serve a task.
    """
    check_served(tasks)
    _check_fit(backbone, config)
    with torch.no_grad():
        label_vectors = embed_texts(backbone, [text for task in tasks for text in task.label_texts])
        names = [task.name.replace("-", " ").replace("_", " ") for task in tasks]
        task_embedding = embed_texts(backbone, names) * config.task_embedding_scale
    heads = LabelTextHeads(tasks, label_vectors, scale=config.head_scale)
    front_end = _start_front_end(backbone, task_embedding, config, generator)
    return DPFModel(backbone, front_end, heads, tasks, config)


@torch.no_grad()
def embed_texts(backbone: Backbone, texts: Sequence[str]) -> Tensor:
    """Return [N, H], the mean hidden state of each text under the backbone without a prompt."""
    if not texts:
        return torch.zeros(0, backbone.hidden_size)
    rows = []
    size = max(1, backbone.config.batch_tokens // 64)
    for start in range(0, len(texts), size):
        encoded = backbone.tokenizer(
            list(texts[start : start + size]),
            padding=True,
            padding_side="right",
            truncation=True,
            max_length=backbone.config.max_length,
            return_tensors="pt",
        )
        mask = encoded["attention_mask"]
        hidden = backbone.encode(backbone.embed(encoded["input_ids"]), mask)
        rows.append(mean_over_tokens(hidden, mask))
    return torch.cat(rows)


def _start_front_end(
    backbone: Backbone, task_embedding: Tensor, config: ModelConfig, generator: torch.Generator
) -> FrontEnd | SharedPrompt | None:
    if config.method == "heads_only":
        return None
    num_prompts = config.pool_size if config.method == "dpf" else 1
    shape = (num_prompts, config.prompted_depth, config.prompt_length, backbone.hidden_size)
    prompts = sample_vocabulary(backbone.word_embeddings.weight, shape, generator)
    if config.method == "shared_prompt":
        return SharedPrompt(prompts[0])
    logits = torch.randn(len(task_embedding), config.pool_size, generator=generator)
    return FrontEnd(
        PromptPool(prompts),
        TaskScheduler(logits * config.scheduler_init_std, temperature=config.temperature),
        Fusion(task_embedding, gate_bias=config.gate_bias),
    )


def check_served(tasks: Sequence[HeadSpec]) -> None:
    """Return if an encoder can answer every task.

    Raises:
        ConfigError: A task wants free text, which an encoder cannot write.
    """
    refused = [task.name for task in tasks if task.kind not in SERVED_KINDS]
    if refused:
        shown = ", ".join(refused[:5]) + (", ..." if len(refused) > 5 else "")
        raise ConfigError(
            f"an encoder's tasks must be {' or '.join(SERVED_KINDS)}, got {len(refused)} of "
            f"{len(tasks)} that want free text ({shown}). Choose by kind: ingest.tasks: "
            f"[{', '.join(SERVED_KINDS)}] in params.yaml."
        )


def _check_fit(backbone: Backbone, config: ModelConfig) -> None:
    if config.prompted_depth > backbone.num_layers:
        raise ConfigError(
            f"prompted_depth must be <= {backbone.num_layers}, the layers of the backbone, got "
            f"{config.prompted_depth} (model.prompted_depth in params.yaml). Choose fewer layers."
        )
    longest = config.prompt_length + backbone.config.max_length
    if longest > backbone.max_positions:
        raise ConfigError(
            f"prompt_length + max_length must be <= {backbone.max_positions}, the backbone's "
            f"positions, got {longest} (model.prompt_length and backbone.max_length in "
            "params.yaml). Shorten either."
        )


def _without_prompt(prompted: Tensor, original: Tensor) -> Tensor:
    """Return the mask [B, P + S] of the real tokens alone."""
    length = prompted.shape[1] - original.shape[1]
    offset = torch.arange(prompted.shape[1], device=prompted.device) - prompt_start(original)
    return prompted * ((offset < 0) | (offset >= length)).to(prompted.dtype)
