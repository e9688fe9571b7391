"""Attention without padding: all real tokens of a batch in one row, attention in groups of a width.

Every layer but attention works on single tokens, so a batch needs no rectangle there. Attention
does: sequences of similar length form a group, padded to the group's width alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

PACKED = "packed"
"""The name under which `packed_attention` is registered with the model library."""

WIDTH_STEP = 16
"""Widths are multiples of this, a tile of matrix units; odd widths are slower than padded."""


@dataclass(frozen=True, eq=False, slots=True)
class Group:
    """Sequences of similar length, neighbours in the packed row."""

    start: int
    """Their first token in the packed row."""
    stop: int
    shape: tuple[int, int]
    """Number of sequences B, and width S."""
    rows: Tensor
    """[B * S], the packed token at each place; at a padded place, the sequence's first token."""
    places: Tensor
    """[stop - start], the place of each token, its way back."""
    padding: Tensor
    """[B, 1, 1, S], true at padded places."""


@dataclass(frozen=True, eq=False, slots=True)
class Packing:
    """Where the real tokens of a padded batch stand in the packed row."""

    tokens: Tensor
    """[N], index of each packed token into the flattened batch [B * S]."""
    shape: tuple[int, int]
    """B and S of the batch."""
    groups: tuple[Group, ...]

    def pack(self, padded: Tensor) -> Tensor:
        """Return the real tokens [1, N, ...] of [B, S, ...]."""
        return padded.flatten(0, 1).index_select(0, self.tokens).unsqueeze(0)

    def unpack(self, packed: Tensor) -> Tensor:
        """Return [B, S, H] with zeros at padding, of [1, N, H]."""
        rows, width = self.shape
        flat = packed.new_zeros(rows * width, packed.shape[-1])
        return flat.index_copy(0, self.tokens, packed[0]).view(rows, width, -1)


def make_packing(mask: Tensor) -> Packing:
    """Return the packing of a batch.

    Args:
        mask: [B, S], 1 on real tokens.

    >>> make_packing(torch.tensor([[1, 1, 1], [0, 1, 0]])).tokens.tolist()
    [4, 0, 1, 2]
    """
    real = mask.bool()
    lengths, order = real.sum(dim=1).sort(stable=True)
    owner, column = real[order].nonzero(as_tuple=True)
    tokens = order[owner] * mask.shape[1] + column
    return Packing(tokens, (mask.shape[0], mask.shape[1]), tuple(_groups(lengths)))


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    packing: Packing,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend within each sequence of a packed row, as the model library's interface asks.

    Args:
        module: The attention layer; not read.
        query: [1, heads, N, size of a head]; key and value alike.
        key: As query.
        value: As query.
        attention_mask: Not read; the packing says what belongs together.
        scaling: Factor on the products of query and key.
        packing: Of the batch.

    Returns:
        [1, N, heads, size of a head], and no weights.
    """
    del module, attention_mask
    rows = [tensor[0].transpose(0, 1) for tensor in (query, key, value)]
    attended: Tensor = _Attention.apply(*rows, packing, scaling)  # type: ignore[no-untyped-call]
    return attended.unsqueeze(0), None


class _Attention(torch.autograd.Function):
    """softmax(scaling * Q K^T) V of each sequence, on [N, heads, size]; gradients by hand.

    By hand because the gradients then stay in groups: no tensor as large as all groups together is
    ever made, and what the padding would add is never computed.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, packing: Packing, scaling: float
    ) -> Tensor:
        attended = torch.empty(query.shape, dtype=query.dtype, device=query.device)
        saved: list[Tensor] = []
        for group in packing.groups:
            q, k, v = (_gather(tensor, group) for tensor in (query, key, value))
            q *= scaling
            scores = torch.bmm(q, k.transpose(1, 2))
            _per_sequence(scores, group).masked_fill_(group.padding, torch.finfo(q.dtype).min)
            weights = scores.softmax(dim=-1)
            _scatter(torch.bmm(weights, v), group, attended)
            saved += (q, k, v, weights)
        ctx.save_for_backward(*saved)
        ctx.packing, ctx.scaling = packing, scaling
        return attended

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (attended,) = gradients
        of_query, of_key, of_value = (torch.empty_like(attended) for _ in range(3))
        saved = ctx.saved_tensors
        for number, group in enumerate(ctx.packing.groups):
            q, k, v, weights = saved[4 * number : 4 * number + 4]
            outer = _gather_zero_padded(attended, group)
            _scatter(torch.bmm(weights.transpose(1, 2), outer), group, of_value)
            of_weights = torch.bmm(outer, v.transpose(1, 2))
            of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
            _scatter(torch.bmm(of_scores, k).mul_(ctx.scaling), group, of_query)
            _scatter(torch.bmm(of_scores.transpose(1, 2), q), group, of_key)
        return of_query, of_key, of_value, None, None


def _groups(lengths: Tensor) -> Iterator[Group]:
    """Cut ascending lengths into groups, one for each multiple of `WIDTH_STEP`."""
    widths = (lengths + WIDTH_STEP - 1).div(WIDTH_STEP, rounding_mode="floor") * WIDTH_STEP
    starts = lengths.cumsum(0) - lengths
    for width in sorted(set(widths.tolist())):
        member = widths == width
        length, start = lengths[member].unsqueeze(1), starts[member].unsqueeze(1)
        column = torch.arange(width, device=lengths.device)
        real = column < length  # [B, S]
        first = int(start[0])
        yield Group(
            start=first,
            stop=first + int(length.sum()),
            shape=(len(length), width),
            rows=torch.where(real, start + column, start).flatten(),
            places=real.flatten().nonzero().flatten(),
            padding=~real[:, None, None, :],
        )


def _gather(packed: Tensor, group: Group) -> Tensor:
    """Return [B * heads, S, size] of [N, heads, size]."""
    return _heads_first(packed.index_select(0, group.rows), group)


def _gather_zero_padded(packed: Tensor, group: Group) -> Tensor:
    rows, width = group.shape
    padded = packed.new_zeros(rows * width, *packed.shape[1:])
    return _heads_first(
        padded.index_copy_(0, group.places, packed[group.start : group.stop]), group
    )


def _heads_first(flat: Tensor, group: Group) -> Tensor:
    return flat.view(*group.shape, *flat.shape[1:]).transpose(1, 2).flatten(0, 1)


def _per_sequence(scores: Tensor, group: Group) -> Tensor:
    """View [B * heads, S, S] as [B, heads, S, S]."""
    return scores.view(group.shape[0], -1, *scores.shape[1:])


def _scatter(grouped: Tensor, group: Group, packed: Tensor) -> None:
    """Write [B * heads, S, size] into the group's part of [N, heads, size]."""
    flat = _per_sequence(grouped, group).transpose(1, 2).flatten(0, 1)
    torch.index_select(flat, 0, group.places, out=packed[group.start : group.stop])
