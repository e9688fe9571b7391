"""Front ends of the published baselines, behind the same interface as the method's own.

Each gives one prompt for each task, [B, D, P, H], from which a step cuts the graph. `SharedPrompt`
and the method's `FrontEnd` are in `model.py`.
"""

import torch
from torch import Tensor, nn


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
