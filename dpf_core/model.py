"""The whole model: a front end that makes prompts, a frozen backbone, and heads.

This module only composes the parts; each equation lives in the file that its part names. How they
start is in `build.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dpf_core.backbone.answers import Answers
from dpf_core.backbone.frozen import Backbone, mean_over_tokens
from dpf_core.backbone.generation import Generation
from dpf_core.backbone.language_model import LanguageModel
from dpf_core.backbone.prompt_placement import place_prompt, prompt_start
from dpf_core.baselines import MultitaskPrompts, SharedPrompt
from dpf_core.config import ModelConfig
from dpf_core.errors import ConfigError, TaskIdError
from dpf_core.front_end import AnyFrontEnd, FrontEnd
from dpf_core.heads import HeadSpec, LabelTextHeads
from dpf_core.naming import nearest
from dpf_core.prompt_attention import AttentionPrompts


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
    """[B, O, H] option vectors where an encoder's tasks are multiple choice."""
    answers: Answers | None = None
    """Candidate answers where the backbone is a language model, which ranks them."""

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        return Batch(
            task_ids=self.task_ids.to(device),
            input_ids=self.input_ids.to(device),
            attention_mask=self.attention_mask.to(device),
            options=None if self.options is None else self.options.to(device),
            answers=None if self.answers is None else self.answers.to(device),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptedInput:
    """What the backbone reads, equation 5."""

    embeds: Tensor
    """[B, P + S, H]."""
    mask: Tensor
    """[B, P + S], 1 on prompt and real tokens."""
    is_text: Tensor
    """[B, P + S], 1 on real tokens alone."""
    layer_prompts: Tensor | None
    """[B, D-1, P, H] where D > 1."""


class DPFModel(nn.Module):
    """Dynamic Prompt Fusion over a frozen backbone.

    Args:
        backbone: Frozen; for the method full_finetune alone an unfrozen copy.
        front_end: Makes the prompts; None is the baseline without prompts.
        heads: Score the labels over an encoder; None where a language model ranks their texts.
        tasks: In task-id order.
        config: The settings that the parts were made with.
        task_groups: Numbers of tasks that joined together, in order; None where all did at once.

    Raises:
        ConfigError: The method trains the backbone and it is frozen, or the other way round.
    """

    def __init__(
        self,
        backbone: Backbone,
        front_end: AnyFrontEnd | None,
        heads: LabelTextHeads | None,
        tasks: Sequence[HeadSpec],
        config: ModelConfig,
        task_groups: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if backbone.is_frozen == (config.method == "full_finetune"):
            found = "a frozen one" if backbone.is_frozen else "an unfrozen copy"
            raise ConfigError(
                f"the backbone of the method {config.method} must be the other kind, got {found}. "
                "Name another method, or use Backbone.pretrained or Backbone.unfrozen_copy()."
            )
        self.backbone = backbone
        self.front_end = front_end
        self.heads = heads
        self.tasks = tuple(tasks)
        self.config = config
        self.task_groups = (len(self.tasks),) if task_groups is None else tuple(task_groups)
        self.origin: dict[str, Any] | None = None
        """What its parts started from, as JSON values; None where nothing came before it."""
        self.extra_losses: Callable[[Tensor, Batch], Tensor] | None = None
        """Of logits [B, C] and their batch: what training adds to the examples' losses [B]."""

    @property
    def prompt_length(self) -> int:
        """P, or 0 where there is no prompt."""
        return 0 if self.front_end is None else self.config.prompt_length

    @property
    def has_shared_prompts(self) -> bool:
        """Whether tasks train prompts together, whose gradients GradNorm compares."""
        return isinstance(self.front_end, FrontEnd | SharedPrompt | MultitaskPrompts)

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
        """Return every tensor that a training can move, by name.

        Those that an adaptation keeps as they are stand among them and require no gradient.
        """
        backbone = None if self.backbone.is_frozen else self.backbone
        parts = {"backbone": backbone, "heads": self.heads, "front_end": self.front_end}
        return {
            f"{part}.{name}": tensor
            for part, module in sorted(parts.items())
            if module is not None
            for name, tensor in sorted(module.named_parameters())
        }

    @property
    def num_trainable(self) -> int:
        """How many values training moves."""
        tensors = self.trainable_parameters().values()
        return sum(tensor.numel() for tensor in tensors if tensor.requires_grad)

    def directly_trained(self) -> list[nn.Parameter]:
        """Return the tensors that micro-batches differentiate, and not the front end afterwards."""
        named = self.trainable_parameters().items()
        reads_input = "front_end.attention."
        return [
            tensor
            for name, tensor in named
            if name.startswith(reads_input) or not name.startswith("front_end.")
        ]

    def forward(self, batch: Batch) -> Tensor:
        """Return logits [B, C] (equations 1 to 5 and the head).

        Raises:
            TaskIdError: There is no such task.
        """
        return self.score(self._prompts(batch.task_ids), batch)

    def score(self, prompts: Tensor | None, batch: Batch) -> Tensor:
        """Return logits [B, C] for given fused prompts [B, D, P, H], equation 5 and the head.

        A language model's logits are length-normalised log-likelihoods of the candidates [B, O].
        """
        given = self.place(prompts, batch)
        if self.heads is not None:
            hidden = self.backbone.encode(given.embeds, given.mask, given.layer_prompts)
            pooled = mean_over_tokens(hidden, given.is_text)
            logits: Tensor = self.heads(pooled, batch.task_ids, batch.options)
            return logits
        if batch.answers is None:
            raise TaskIdError("a language model needs candidate answers, got none. Pass `answers`.")
        return self._writer().rank(given.embeds, given.mask, given.layer_prompts, batch.answers)

    def losses(self, logits: Tensor, labels: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each example in nats, [B].

        Cross-entropy over the candidates. Where a language model has a single candidate, the right
        answer of free text, its loss is the mean negative log-likelihood of its tokens.

        Args:
            logits: [B, C], what `score` gives.
            labels: [B], index of the right candidate.
            batch: What was scored.
        """
        losses = nn.functional.cross_entropy(logits, labels, reduction="none")
        if batch.answers is None:
            return losses
        is_free_text = batch.answers.mask.any(dim=-1).sum(dim=1) == 1
        return torch.where(is_free_text, -logits[:, 0], losses)

    def place(self, prompts: Tensor | None, batch: Batch) -> PromptedInput:
        """Return the backbone's input for given fused prompts [B, D, P, H], or without any.

        A front end that reads the input makes each example's prompt of its task's here.
        """
        embeds, mask = self.backbone.embed(batch.input_ids), batch.attention_mask
        if prompts is None:
            return PromptedInput(embeds=embeds, mask=mask, is_text=mask, layer_prompts=None)
        if isinstance(self.front_end, AttentionPrompts):
            prompts = self.front_end.mix(prompts, embeds, mask)
        embeds, mask = place_prompt(prompts[:, 0], embeds, mask)
        return PromptedInput(
            embeds=embeds,
            mask=mask,
            is_text=_without_prompt(mask, batch.attention_mask),
            layer_prompts=prompts[:, 1:] if prompts.shape[1] > 1 else None,
        )

    @torch.no_grad()
    def generate(self, batch: Batch, generation: Generation) -> list[str]:
        """Return the text that a language model writes after each prompted input.

        Raises:
            ConfigError: The backbone is an encoder.
            TaskIdError: There is no such task.
        """
        given = self.place(self._prompts(batch.task_ids), batch)
        writer = self._writer()
        return writer.decode(
            writer.generate(given.embeds, given.mask, given.layer_prompts, generation)
        )

    def _prompts(self, task_ids: Tensor) -> Tensor | None:
        """Return the fused prompts [B, D, P, H] of task ids [B], None where there are none."""
        if bool((task_ids < 0).any() | (task_ids >= len(self.tasks)).any()):
            raise TaskIdError(
                f"task ids must be in [0, {len(self.tasks)}), got {task_ids.tolist()}. "
                "The ids stand in the pool's config.json."
            )
        return None if self.front_end is None else self.front_end(task_ids)

    def _writer(self) -> LanguageModel:
        if not isinstance(self.backbone, LanguageModel):
            raise ConfigError(
                f"the backbone must be a decoder or encoder-decoder to write or rank texts, got "
                f"{self.backbone.model_type!r}. Name another backbone, or score labels with heads."
            )
        return self.backbone


def _without_prompt(prompted: Tensor, original: Tensor) -> Tensor:
    """Return the mask [B, P + S] of the real tokens alone."""
    length = prompted.shape[1] - original.shape[1]
    offset = torch.arange(prompted.shape[1], device=prompted.device) - prompt_start(original)
    return prompted * ((offset < 0) | (offset >= length)).to(prompted.dtype)
