"""Front end of ATTEMPT, whose prompts depend on the input and not on the task alone.

The part that depends on the task is a front end like the others; `DPFModel.place` adds the rest to
it for each example. A step therefore cuts the graph at the tasks' own prompts as usual, and what
attends is differentiated with the micro-batches.
"""

import torch
from torch import Tensor, nn


class AttentionPrompts(nn.Module):
    """Baseline: attentional mixtures of soft prompts (arXiv 2205.11961).

    `f(x) = p_t + sum_j a_j(x) p_j` over the frozen source prompts and the task's own p_t, with
    `a(x) = softmax(maxpool(p_j) . h(x) / temperature)` and
    `h(x) = LayerNorm(W_up SiLU(W_down maxpool(Embed(x))))`. Deeper prompts are mixed by the weights
    of the input layer.

    Args:
        prompts: [T, D, P, H] start values of the tasks' own prompts.
        sources: [J, D, P, H], never trained.
        attention_size: R, of the bottleneck.
        temperature: > 0; small picks one prompt, large mixes all alike.
        generator: Of W_down and W_up.

    >>> front_end = AttentionPrompts(
    ...     torch.zeros(3, 1, 2, 8), torch.zeros(4, 1, 2, 8),
    ...     attention_size=5, temperature=1.0, generator=torch.Generator(),
    ... )
    >>> own = front_end(torch.tensor([2, 0]))
    >>> front_end.mix(own, torch.ones(2, 6, 8), torch.ones(2, 6)).shape
    torch.Size([2, 1, 2, 8])
    """

    def __init__(
        self,
        prompts: Tensor,
        sources: Tensor,
        *,
        attention_size: int,
        temperature: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.prompts = nn.Parameter(prompts.detach().clone().float())
        self.sources = nn.Parameter(sources.detach().clone().float(), requires_grad=False)
        self.attention = _Query(prompts.shape[-1], attention_size, generator)
        self.temperature = temperature

    def forward(self, task_ids: Tensor) -> Tensor:
        """Return [B, D, P, H], the own prompt of each task id of [B]."""
        return self.prompts[task_ids]

    def mix(self, prompts: Tensor, embeds: Tensor, mask: Tensor) -> Tensor:
        """Return the prompts of examples, [B, D, P, H].

        Args:
            prompts: [B, D, P, H], what `forward` gives for their tasks.
            embeds: [B, S, H], their embedded tokens, without a prompt.
            mask: [B, S], 1 on real tokens.
        """
        weights = self.weights(prompts, embeds, mask)
        mixed = torch.einsum("bj,jdph->bdph", weights[:, :-1], self.sources)
        return prompts + mixed + weights[:, -1, None, None, None] * prompts

    def weights(self, prompts: Tensor, embeds: Tensor, mask: Tensor) -> Tensor:
        """Return a, [B, J + 1] with rows that sum to 1, the task's own prompt last.

        The arguments are those of `mix`.
        """
        text = embeds.float().masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(dim=1)
        query = self.attention(text)  # [B, H]
        of_sources = query @ self.sources[:, 0].amax(dim=1).T
        of_own = (query * prompts[:, 0].amax(dim=1)).sum(dim=1, keepdim=True)
        scores = torch.cat([of_sources, of_own], dim=1)
        return torch.softmax(scores / self.temperature, dim=1)

    @torch.no_grad()
    def pool_gradient_norms(self, task_ids: Tensor, prompt_gradients: Tensor) -> Tensor:
        """Return zeros [B]: no prompt that is trained is shared."""
        del task_ids
        return prompt_gradients.new_zeros(len(prompt_gradients))


class _Query(nn.Module):
    """h of a text's pooled embeddings."""

    def __init__(self, hidden_size: int, size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.down = nn.Parameter(_uniform((size, hidden_size), generator))
        self.up = nn.Parameter(_uniform((hidden_size, size), generator))
        self.norm = nn.LayerNorm(hidden_size)

    def forward(self, pooled: Tensor) -> Tensor:
        hidden = nn.functional.silu(pooled @ self.down.T) @ self.up.T
        normed: Tensor = self.norm(hidden)
        return normed


def _uniform(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Return what torch's linear layers start as, within 1 / sqrt(inputs)."""
    bound: float = shape[1] ** -0.5
    return (2 * torch.rand(shape, generator=generator) - 1) * bound
