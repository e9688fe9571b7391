"""Where a prompt stands among a batch's tokens: directly before the first real one (equation 5)."""

import torch
from torch import Tensor

from dpf_core.errors import ShapeError


def place_prompt(prompt: Tensor, embeds: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return embeddings and mask with the prompt directly before the first real token.

    Equation 5. Written with gathers alone, so that it exports to ONNX with dynamic axes.

    Args:
        prompt: [B, P, H].
        embeds: [B, S, H].
        mask: [B, S], 1 on real tokens; padding on the left, on the right, or on both sides.

    Returns:
        [B, P + S, H] in the dtype of `embeds`, and the mask [B, P + S] in the dtype of `mask`.

    Raises:
        ShapeError: The three do not belong together.
    """
    if (
        prompt.dim() != 3
        or embeds.shape[:2] != mask.shape
        or prompt.shape[::2] != embeds.shape[::2]
    ):
        raise ShapeError(
            "place_prompt needs prompt [B, P, H], embeds [B, S, H] and mask [B, S], got "
            f"{tuple(prompt.shape)}, {tuple(embeds.shape)} and {tuple(mask.shape)}."
        )
    length = prompt.shape[1]
    start = prompt_start(mask)  # [B, 1]
    joined = torch.cat([prompt.to(embeds.dtype), embeds], dim=1)  # [B, P + S, H]
    position = torch.arange(joined.shape[1], device=mask.device).unsqueeze(0)
    source = torch.where(
        position < start,
        position + length,
        torch.where(position < start + length, position - start, position),
    )  # [B, P + S]
    real = torch.cat([torch.ones_like(prompt[..., 0], dtype=mask.dtype), mask], dim=1)
    index = source.unsqueeze(-1).expand(-1, -1, embeds.shape[-1])
    return joined.gather(1, index), real.gather(1, source)


def prompt_start(mask: Tensor) -> Tensor:
    """Return the number of padding tokens on the left, [B, 1] int64, for a mask [B, S]."""
    return (mask.cumsum(dim=1) == 0).sum(dim=1, keepdim=True)


def prompt_values(prompt: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Spread a prompt over the places that it takes in a batch that already holds one.

    Args:
        prompt: [B, P, H].
        mask: [B, S], prompt included.

    Returns:
        [B, S, H], right at the prompt's places alone, and [B, S, 1], true at these places.
    """
    length = prompt.shape[1]
    offset = torch.arange(mask.shape[1], device=mask.device).unsqueeze(0) - prompt_start(mask)
    inside = ((offset >= 0) & (offset < length)).unsqueeze(-1)
    index = offset.clamp(0, length - 1).unsqueeze(-1).expand(-1, -1, prompt.shape[-1])
    return prompt.gather(1, index), inside
