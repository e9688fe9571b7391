"""Front ends of the published baselines, behind the same interface as the method's own.

Each gives one prompt for each task, [B, D, P, H], where a step cuts the graph. The method's own
`FrontEnd` is in `front_end.py`.
"""

import torch
from torch import Tensor, nn


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


class TaskPrompts(nn.Module):
    """Baseline: prompt tuning (arXiv 2104.08691), one soft prompt for each task.

    Tasks share no prompt: what they have in common is the start, the schedule and the bound on
    the gradients' norm.

    Args:
        prompts: [T, D, P, H] start values.

    >>> TaskPrompts(torch.zeros(6, 1, 2, 8))(torch.tensor([5, 0])).shape
    torch.Size([2, 1, 2, 8])
    """

    def __init__(self, prompts: Tensor) -> None:
        super().__init__()
        self.prompts = nn.Parameter(prompts.detach().clone().float())

    def forward(self, task_ids: Tensor) -> Tensor:
        """Return [B, D, P, H], the prompt of each task id of [B]."""
        return self.prompts[task_ids]

    @torch.no_grad()
    def pool_gradient_norms(self, task_ids: Tensor, prompt_gradients: Tensor) -> Tensor:
        """Return zeros [B]: there is no pool."""
        del task_ids
        return prompt_gradients.new_zeros(len(prompt_gradients))


class MultitaskPrompts(nn.Module):
    """Baseline: multitask prompt tuning, `f_t = p * (u_t x v_t)` (arXiv 2303.02861).

    The product with the shared prompt is by element; each layer's factor has rank one. Both halves
    start at one, so that every task starts from the shared prompt.

    Args:
        prompt: [D, P, H] start values of p.
        num_tasks: T.

    >>> MultitaskPrompts(torch.zeros(1, 2, 8), num_tasks=6)(torch.tensor([5, 0])).shape
    torch.Size([2, 1, 2, 8])
    """

    def __init__(self, prompt: Tensor, *, num_tasks: int) -> None:
        super().__init__()
        depth, length, hidden_size = prompt.shape
        self.prompt = nn.Parameter(prompt.detach().clone().float())
        self.position_factors = nn.Parameter(torch.ones(num_tasks, depth, length, 1))
        self.hidden_factors = nn.Parameter(torch.ones(num_tasks, depth, 1, hidden_size))

    def forward(self, task_ids: Tensor) -> Tensor:
        """Return [B, D, P, H] for task ids [B]."""
        return self.prompt * self._factors(task_ids)

    @torch.no_grad()
    def pool_gradient_norms(self, task_ids: Tensor, prompt_gradients: Tensor) -> Tensor:
        """Return [B], the norms of d L_t / d p; the shared prompt is the whole pool.

        Args:
            task_ids: [B], each task once.
            prompt_gradients: [B, D, P, H], d L_t / d f_t without task weights.
        """
        norms: Tensor = (self._factors(task_ids) * prompt_gradients).flatten(1).norm(dim=1)
        return norms

    def _factors(self, task_ids: Tensor) -> Tensor:
        return self.position_factors[task_ids] * self.hidden_factors[task_ids]  # [B, D, P, H]
