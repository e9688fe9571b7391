"""The task scheduler: which prompts of the pool a task mixes, and how strongly.

Not the learning-rate schedule; that one is `lr_schedule` in `training/optimizer.py`.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dpf_core.errors import ConfigError


class TaskScheduler(nn.Module):
    """Mixing weights of each task by a softmax over the pool, equation 1.

    Args:
        logits: [T, K] start values of W, K >= 1.
        temperature: Divides the logits, > 0; towards 0 a task picks one prompt, large is uniform.
        is_learned: Train the logarithm of the temperature too.
        is_kept: Keep the temperature among the tensors of the pool, because it moves.
        is_fixed: W stays as it starts; the temperature may still move.
        top_k: Prompts that a task mixes, those of its largest logits, in [1, K]; None mixes all.
            Among equal logits none is left out, so a row without a preference mixes all alike.

    Raises:
        ConfigError: The temperature is not positive.

    >>> TaskScheduler(torch.zeros(2, 4), temperature=0.9)(torch.tensor([1]))
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]], grad_fn=<SoftmaxBackward0>)
    """

    log_temperature: nn.Parameter | None

    def __init__(
        self,
        logits: Tensor,
        *,
        temperature: float,
        is_learned: bool = False,
        is_kept: bool = False,
        is_fixed: bool = False,
        top_k: int | None = None,
    ) -> None:
        super().__init__()
        self.scheduler_logits = nn.Parameter(
            logits.detach().clone().float(), requires_grad=not is_fixed
        )
        self.top_k = top_k
        self._temperature = check_temperature(temperature)
        self.log_temperature = None
        if is_learned or is_kept:
            start = torch.tensor(math.log(temperature))
            self.log_temperature = nn.Parameter(start, requires_grad=is_learned)

    @property
    def num_tasks(self) -> int:
        """T, the number of tasks."""
        return self.scheduler_logits.shape[0]

    @property
    def temperature(self) -> float:
        """What divides the logits now."""
        moving = self.log_temperature
        return self._temperature if moving is None else float(moving.detach().exp())

    @temperature.setter
    def temperature(self, value: float) -> None:
        self._temperature = check_temperature(value)
        if self.log_temperature is not None:
            with torch.no_grad():
                self.log_temperature.fill_(math.log(value))

    @contextmanager
    def at_temperature(self, value: float) -> Iterator[None]:
        """Divide by another temperature for the block; afterwards every bit is as it was.

        Raises:
            ConfigError: It is not positive and finite.
        """
        number = self._temperature
        moving = None if self.log_temperature is None else self.log_temperature.detach().clone()
        self.temperature = value
        try:
            yield
        finally:
            self._temperature = number
            if self.log_temperature is not None and moving is not None:
                with torch.no_grad():
                    self.log_temperature.copy_(moving)

    def forward(self, task_ids: Tensor) -> Tensor:
        """Return pi, [B, K] with rows that sum to 1, for task ids [B]."""
        moving = self.log_temperature
        temperature = self._temperature if moving is None else moving.exp()
        logits = self.scheduler_logits[task_ids]
        scaled = logits / temperature  # before masking: -inf would give the temperature NaN
        if self.top_k is not None:
            smallest_kept = logits.topk(self.top_k, dim=-1).values[:, -1:]
            scaled = scaled.masked_fill(logits < smallest_kept, -math.inf)
        return torch.softmax(scaled, dim=-1)


def check_temperature(temperature: float) -> float:
    """Return the temperature if it is positive and finite.

    Raises:
        ConfigError: It is not.
    """
    if not 0 < temperature < float("inf"):
        raise ConfigError(
            f"temperature must be > 0, got {temperature} (model.temperature in params.yaml). "
            "Use a small positive value such as 0.05 for near one-hot mixing."
        )
    return float(temperature)
