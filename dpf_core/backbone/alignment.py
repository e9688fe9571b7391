"""Moving a batch's padding to one side, for models that count places and not real tokens."""

from typing import Literal

import torch
from torch import Tensor


def aligned(
    values: Tensor, mask: Tensor, *, side: Literal["left", "right"]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a batch with all of its padding on one side.

    Args:
        values: [B, S, H].
        mask: [B, S], 1 on real tokens; padding anywhere.
        side: Where the padding goes.

    Returns:
        Values and mask, with each row's real tokens in their order, and [B, S] int64, the place
        that each token came from.

    >>> aligned(torch.tensor([[[1.0], [2.0], [0.0]]]), torch.tensor([[1, 1, 0]]), side="left")[1]
    tensor([[0, 1, 1]])
    """
    key = mask if side == "left" else 1 - mask
    source = key.argsort(dim=1, stable=True)
    moved = values.gather(1, source.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
    return moved, mask.gather(1, source), source


def put_back(moved: Tensor, source: Tensor) -> Tensor:
    """Return [B, S, H] with each token where it came from; the reverse of `aligned`."""
    index = source.unsqueeze(-1).expand(-1, -1, moved.shape[-1])
    return torch.zeros_like(moved).scatter(1, index, moved)
