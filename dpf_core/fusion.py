"""The gate between a task's own embedding and what it draws from the pool."""

import torch
from torch import Tensor, nn

from dpf_core.config import GateMode

_CONSTANT_GATES: dict[GateMode, float] = {"none": 0.0, "mean": 0.5, "concatenated": 0.0}


class Fusion(nn.Module):
    """Fuse task embedding and combined prompt, equations 3 and 4, or without a learned gate.

    Args:
        task_embedding: [T, H] start values of e.
        gate_bias: Start value of every b_g; W_g starts at zero, so all tasks start alike.
        mode: `learned`, or a constant gate: `none` is 0 and lets the pool through alone, `mean` is
            one half; `concatenated` puts e before the combined prompt, at a position of its own.

    >>> fusion = Fusion(torch.zeros(3, 8), gate_bias=0.0)
    >>> fusion(torch.tensor([0, 2]), torch.ones(2, 1, 4, 8))[0, 0, 0, 0].item()
    0.5
    """

    gate_weight: nn.Parameter | None
    gate_bias: nn.Parameter | None

    def __init__(
        self, task_embedding: Tensor, *, gate_bias: float, mode: GateMode = "learned"
    ) -> None:
        super().__init__()
        hidden_size = task_embedding.shape[1]
        self.mode = mode
        self.task_embedding = nn.Parameter(
            task_embedding.detach().clone().float(), requires_grad=mode != "none"
        )
        self.gate_weight = self.gate_bias = None
        if mode == "learned":
            self.gate_weight = nn.Parameter(torch.zeros(hidden_size, hidden_size))
            self.gate_bias = nn.Parameter(torch.full((hidden_size,), float(gate_bias)))

    @property
    def num_own_positions(self) -> int:
        """Positions of the fused prompt that hold e and nothing of the pool."""
        return int(self.mode == "concatenated")

    def gate_tensors(self) -> list[nn.Parameter]:
        """Return W_g and b_g, or nothing where the gate is constant."""
        return [tensor for tensor in (self.gate_weight, self.gate_bias) if tensor is not None]

    def gate(self, task_ids: Tensor) -> Tensor:
        """Return g of the pool's positions, [B, H], for task ids [B]; equation 3.

        A learned gate lies in (0, 1).
        """
        embedding = self.task_embedding[task_ids]
        if self.mode != "learned":
            return torch.full_like(embedding, _CONSTANT_GATES[self.mode])
        assert self.gate_weight is not None, "a learned gate has one"
        return torch.sigmoid(nn.functional.linear(embedding, self.gate_weight, self.gate_bias))

    def forward(self, task_ids: Tensor, combined_prompt: Tensor) -> Tensor:
        """Return the fused prompts, equation 4.

        Args:
            task_ids: [B] int64.
            combined_prompt: [B, D, P, H], equation 2; P-1 positions where e has one of its own.

        Returns:
            [B, D, P, H]; the task embedding stands at every depth, and at every position or at one
            of its own.
        """
        embedding = self.task_embedding[task_ids][:, None, None, :]  # [B, 1, 1, H]
        if self.mode == "concatenated":
            own = embedding.expand(-1, combined_prompt.shape[1], -1, -1)
            return torch.cat([own, combined_prompt], dim=2)
        gate = self.gate(task_ids)[:, None, None, :]
        return gate * embedding + (1 - gate) * combined_prompt
