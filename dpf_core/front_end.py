"""What makes the prompts: the method's own front end, or that of a baseline.

This module only composes the parts; each equation lives in the file that its part names.
"""

import torch
from torch import Tensor, nn

from dpf_core.baselines import MultitaskPrompts, SharedPrompt, TaskPrompts
from dpf_core.fusion import Fusion
from dpf_core.prompt_attention import AttentionPrompts
from dpf_core.prompts import PromptPool
from dpf_core.task_scheduler import TaskScheduler


class FrontEnd(nn.Module):
    """Fused prompts from pool, task scheduler and gate: equations 1 to 4.

    Tasks that were adapted in mode `private` have a prompt of their own besides, which is added.

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
        self.private_prompts: nn.Parameter | None = None

    def add_private_prompts(self) -> nn.Parameter:
        """Give every task a prompt of its own, all zeros: [T, D, P, H]; return them."""
        _, depth, length, hidden_size = self.pool.prompts.shape
        length += self.fusion.num_own_positions
        shape = (self.scheduler.num_tasks, depth, length, hidden_size)
        self.private_prompts = nn.Parameter(self.pool.prompts.new_zeros(shape))
        return self.private_prompts

    def forward(self, task_ids: Tensor) -> Tensor:
        """Return [B, D, P, H] for task ids [B]."""
        fused: Tensor = self.fusion(task_ids, self.pool(self.scheduler(task_ids)))
        return fused if self.private_prompts is None else fused + self.private_prompts[task_ids]

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
        of_pool = prompt_gradients[:, :, self.fusion.num_own_positions :]
        open_share = 1 - self.fusion.gate(task_ids)[:, None, None, :]
        gated: Tensor = (open_share * of_pool).flatten(1).norm(dim=1)
        mixing: Tensor = self.scheduler(task_ids).norm(dim=1)
        return mixing * gated


AnyFrontEnd = FrontEnd | SharedPrompt | TaskPrompts | MultitaskPrompts | AttentionPrompts
"""What makes the prompts: the method's own front end, or that of a baseline."""
