"""The shared pool of soft prompts and the functions that start it.

How prompts are mixed belongs to `task_scheduler.py`, how they are fused to `fusion.py`.
"""

import torch
from torch import Tensor, nn

from dpf_core.errors import ShapeError


class PromptPool(nn.Module):
    """K soft prompts, shared by all tasks; p of equation 2.

    Args:
        prompts: [K, D, P, H] start values, for example from `sample_vocabulary`.

    Raises:
        ShapeError: `prompts` has not four axes.

    >>> PromptPool(torch.zeros(4, 1, 2, 8))(torch.full((3, 4), 0.25)).shape
    torch.Size([3, 1, 2, 8])
    """

    def __init__(self, prompts: Tensor) -> None:
        super().__init__()
        if prompts.dim() != 4:
            raise ShapeError(
                f"prompts must be [K, D, P, H], got {tuple(prompts.shape)}. Add the missing axes."
            )
        self.prompts = nn.Parameter(prompts.detach().clone().float())

    def forward(self, mixing_weights: Tensor) -> Tensor:
        """Return the combined prompts, equation 2.

        Args:
            mixing_weights: [B, K], rows sum to 1.

        Returns:
            [B, D, P, H] in the pool's dtype.
        """
        return torch.einsum("bk,kdph->bdph", mixing_weights, self.prompts)


def sample_vocabulary(
    embeddings: Tensor, num_prompts: int, length: int, generator: torch.Generator
) -> Tensor:
    """Return prompts made of the backbone's own word embeddings, drawn at random.

    The start with sampled words follows arXiv 2104.08691, section 3.2.

    Args:
        embeddings: [V, H] the word embedding table.
        num_prompts: K.
        length: P.
        generator: Source of the draw.

    Returns:
        [K, P, H] float32.
    """
    chosen = torch.randint(len(embeddings), (num_prompts, length), generator=generator)
    return embeddings[chosen].float()


def random_prompts(
    embeddings: Tensor, shape: tuple[int, int, int, int], generator: torch.Generator
) -> Tensor:
    """Return normal prompts [K, D, P, H] float32 with the spread of the word embeddings [V, H]."""
    return torch.randn(shape, generator=generator) * embeddings.float().std()
