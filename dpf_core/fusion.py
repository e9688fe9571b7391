"""The gate between a task's own embedding and what it draws from the pool."""

import torch
from torch import Tensor, nn


class Fusion(nn.Module):
    """Fuse task embedding and combined prompt, equations 3 and 4.

    Args:
        task_embedding: [T, H] start values of e.
        gate_bias: Start value of every b_g; W_g starts at zero, so all tasks start alike.

    >>> fusion = Fusion(torch.zeros(3, 8), gate_bias=0.0)
    >>> fusion(torch.tensor([0, 2]), torch.ones(2, 1, 4, 8))[0, 0, 0, 0].item()
    0.5
    """

    def __init__(self, task_embedding: Tensor, *, gate_bias: float) -> None:
        super().__init__()
        hidden_size = task_embedding.shape[1]
        self.task_embedding = nn.Parameter(task_embedding.detach().clone().float())
        self.gate_weight = nn.Parameter(torch.zeros(hidden_size, hidden_size))
        self.gate_bias = nn.Parameter(torch.full((hidden_size,), float(gate_bias)))

    def gate(self, task_ids: Tensor) -> Tensor:
        """Return g, [B, H] in (0, 1), for task ids [B]; equation 3."""
        embedding = self.task_embedding[task_ids]
        return torch.sigmoid(nn.functional.linear(embedding, self.gate_weight, self.gate_bias))

    def forward(self, task_ids: Tensor, combined_prompt: Tensor) -> Tensor:
        """Return the fused prompts, equation 4.

        Args:
            task_ids: [B] int64.
            combined_prompt: [B, D, P, H], equation 2.

        Returns:
            [B, D, P, H]; the task embedding stands at every depth and position.
        """
        gate = self.gate(task_ids)[:, None, None, :]  # [B, 1, 1, H]
        embedding = self.task_embedding[task_ids][:, None, None, :]
        return gate * embedding + (1 - gate) * combined_prompt
