"""The task scheduler: which prompts of the pool a task mixes, and how strongly.

Not the learning-rate schedule; that one is `lr_schedule` in `training/optimizer.py`.
"""

import torch
from torch import Tensor, nn

from dpf_core.errors import ConfigError


class TaskScheduler(nn.Module):
    """Mixing weights of each task by a softmax over the pool, equation 1.

    Args:
        logits: [T, K] start values of W.
        temperature: Divides the logits, > 0; towards 0 a task picks one prompt, large is uniform.

    Raises:
        ConfigError: The temperature is not positive.

    >>> TaskScheduler(torch.zeros(2, 4), temperature=0.9)(torch.tensor([1]))
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]], grad_fn=<SoftmaxBackward0>)
    """

    def __init__(self, logits: Tensor, *, temperature: float) -> None:
        super().__init__()
        self.scheduler_logits = nn.Parameter(logits.detach().clone().float())
        self.temperature = check_temperature(temperature)

    @property
    def num_tasks(self) -> int:
        """T, the number of tasks."""
        return self.scheduler_logits.shape[0]

    def forward(self, task_ids: Tensor) -> Tensor:
        """Return pi, [B, K] with rows that sum to 1, for task ids [B]."""
        return torch.softmax(self.scheduler_logits[task_ids] / self.temperature, dim=-1)


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
