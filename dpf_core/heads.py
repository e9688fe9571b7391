"""Label-text heads: a label is scored by the words that describe it.

One module holds the heads of all tasks, so that a mixed-task batch needs no loop over tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dpf_core.errors import ShapeError, TaskIdError


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadSpec:
    """What a head must know of its task."""

    name: str
    kind: str
    """`classification`, `multiple_choice` or `text`, as the gym's manifest says."""
    labels: tuple[str, ...]
    """In label-id order; empty for other kinds: options come with each example, text is free."""
    label_texts: tuple[str, ...]
    """The words that describe each label, in the same order."""
    metric: str
    description: str
    """What a reader would conclude; prompts may start from it."""


class LabelTextHeads(nn.Module):
    """Heads of all tasks: `logit_c = scale * <z, l_c + delta_c> + b_c`.

    z and l are divided by their lengths, so that one scale serves every backbone. Deltas and biases
    start at zero: before training a head is the backbone's own similarity of text and label.

    Args:
        specs: One for each task, in task-id order.
        label_vectors: [L, H], the backbone's vector of each label text, in task order.
        scale: Factor on the product, > 0.
        group_sizes: Labels of each group whose products are computed apart, in order; None is one
            group. A product of more columns rounds otherwise, so tasks that join later form groups
            of their own, which leaves the bits of the earlier ones alone.

    Raises:
        ShapeError: The vectors or the groups are not as many as the labels.

    >>> spec = HeadSpec(
    ...     name="mood", kind="classification", labels=("sad", "glad"),
    ...     label_texts=("sad", "glad"), metric="ACC", description="",
    ... )
    >>> heads = LabelTextHeads([spec], torch.eye(2), scale=10.0)
    >>> heads(torch.tensor([[0.0, 3.0]]), torch.tensor([0])).tolist()
    [[0.0, 10.0]]
    """

    label_vectors: Tensor
    label_index: Tensor

    def __init__(
        self,
        specs: Sequence[HeadSpec],
        label_vectors: Tensor,
        *,
        scale: float,
        group_sizes: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        counts = [len(spec.labels) for spec in specs]
        if label_vectors.shape[0] != sum(counts):
            raise ShapeError(
                f"label_vectors must be [{sum(counts)}, H], one row a label, got "
                f"{tuple(label_vectors.shape)}."
            )
        self.group_sizes = [sum(counts)] if group_sizes is None else list(group_sizes)
        if sum(self.group_sizes) != sum(counts):
            raise ShapeError(
                f"group_sizes must have the sum {sum(counts)}, one for each label, got "
                f"{self.group_sizes}."
            )
        self.scale = scale
        self.delta = nn.Parameter(torch.zeros_like(label_vectors, dtype=torch.float32))
        self.bias = nn.Parameter(torch.zeros(sum(counts)))
        vectors = nn.functional.normalize(label_vectors.float(), dim=-1)
        self.register_buffer("label_vectors", vectors, persistent=False)
        self.register_buffer("label_index", _label_index(counts), persistent=False)

    def label_rows(self, task_id: int) -> Tensor:
        """Return [C], the rows of delta and bias that belong to a task."""
        index = self.label_index[task_id]
        return index[index >= 0]

    def forward(self, pooled: Tensor, task_ids: Tensor, options: Tensor | None = None) -> Tensor:
        """Return one logit a candidate label.

        Args:
            pooled: [B, H], the mean hidden state over the real tokens.
            task_ids: [B] int64.
            options: [B, O, H] vectors of each example's options where the tasks are multiple
                choice, with zero rows where an example has fewer; None for classification.

        Returns:
            [B, C] or [B, O] float32, `-inf` where a task or example has no such candidate.

        Raises:
            TaskIdError: A multiple-choice task came without options.
        """
        z = nn.functional.normalize(pooled.float(), dim=-1)
        if options is not None:
            scores = self.scale * torch.einsum("bh,boh->bo", z, options)
            return scores.masked_fill((options == 0).all(dim=-1), float("-inf"))
        index = self.label_index[task_ids]  # [B, C]
        if bool((index[:, 0] < 0).any()):
            raise TaskIdError(
                "a multiple-choice task needs the vectors of its options, got none. Pass `options`."
            )
        tensors = (self.label_vectors, self.delta, self.bias)
        groups = zip(*(torch.split(part, self.group_sizes) for part in tensors), strict=True)
        every = torch.cat(
            [self.scale * z @ (label + delta).T + bias for label, delta, bias in groups], dim=1
        )  # [B, L]
        return every.gather(1, index.clamp(min=0)).masked_fill(index < 0, float("-inf"))


def _label_index(counts: Sequence[int]) -> Tensor:
    index = torch.full((len(counts), max([1, *counts])), -1, dtype=torch.int64)
    start = 0
    for task_id, count in enumerate(counts):
        index[task_id, :count] = torch.arange(start, start + count)
        start += count
    return index
