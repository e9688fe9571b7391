"""Task weights: GradNorm (arXiv 1711.02257) from one backward pass, equal, random and fixed ones.

All have the same two methods: `weights` before a step, `update` after it.
"""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dpf_core.errors import ConfigError

WEIGHT_BOUNDS = (0.1, 10.0)
"""A task weight is clamped to these; one that stands at a bound is an alarm."""


class LossBalancer(Protocol):
    """Chooses the weight of each task's loss."""

    weights: Tensor
    """[T], positive, with sum T."""

    def update(self, task_ids: Tensor, losses: Tensor, gradient_norms: Tensor) -> None:
        """Learn from a step; the arguments are [B], one entry for each task present."""


class EqualWeights:
    """Every task counts the same.

    >>> EqualWeights(2).weights
    tensor([1., 1.])
    """

    def __init__(self, num_tasks: int) -> None:
        self.weights = torch.ones(num_tasks)

    def update(self, task_ids: Tensor, losses: Tensor, gradient_norms: Tensor) -> None:
        """Change nothing."""


class FixedWeights:
    """Weights that follow from the tasks' initial losses and never move.

    Args:
        initial_losses: [T], L_t(0) > 0.
        power: The weights are proportional to L_t(0)^power, with sum T.

    Raises:
        ConfigError: An initial loss is not above 0.

    >>> FixedWeights(torch.tensor([1.0, 3.0]), power=-1.0).weights
    tensor([1.5000, 0.5000])
    """

    def __init__(self, initial_losses: Tensor, *, power: float) -> None:
        _check_positive(initial_losses, "weights are powers of them")
        shares = torch.softmax(power * initial_losses.double().log(), dim=0)
        self.weights = (shares * len(initial_losses)).float()

    def update(self, task_ids: Tensor, losses: Tensor, gradient_norms: Tensor) -> None:
        """Change nothing."""


class RandomWeights:
    """Weights drawn anew for every step, as RLW does (arXiv 2111.10603): what GradNorm must beat.

    A softmax of T normal draws times T, so that they sum to T.

    Args:
        num_tasks: T.
        seed: Of the draws; those of a step follow from it and the step's number alone.
        step: Number of the first step.

    >>> RandomWeights(2, seed=1).weights.sum().item()
    2.0
    """

    def __init__(self, num_tasks: int, *, seed: int, step: int = 0) -> None:
        self._num_tasks, self._seed, self._step = num_tasks, seed, step
        self.weights = self._drawn()

    def update(self, task_ids: Tensor, losses: Tensor, gradient_norms: Tensor) -> None:
        """Draw the weights of the next step."""
        self._step += 1
        self.weights = self._drawn()

    def _drawn(self) -> Tensor:
        generator = np.random.default_rng([self._seed, self._step])
        draws = torch.from_numpy(generator.standard_normal(self._num_tasks))
        return (torch.softmax(draws, dim=0) * self._num_tasks).float()


class GradNorm:
    """Task weights that pull weighted gradient norms together, equation 7.

    Args:
        initial_losses: [T], L_t(0) > 0.
        restoring_force: alpha >= 0.
        learning_rate: Step of log lambda, > 0.

    Raises:
        ConfigError: An initial loss is not above 0.

    >>> balancer = GradNorm(torch.ones(2), restoring_force=0.5, learning_rate=0.1)
    >>> balancer.update(torch.tensor([0, 1]), torch.ones(2), torch.tensor([3.0, 1.0]))
    >>> bool(balancer.weights[0] < balancer.weights[1])
    True
    """

    def __init__(
        self, initial_losses: Tensor, *, restoring_force: float, learning_rate: float
    ) -> None:
        _check_positive(initial_losses, "GradNorm measures progress by them")
        self.initial_losses = initial_losses.clone()
        self.restoring_force = restoring_force
        self.learning_rate = learning_rate
        self.weights = torch.ones_like(initial_losses)

    @torch.no_grad()
    def update(self, task_ids: Tensor, losses: Tensor, gradient_norms: Tensor) -> None:
        """Step log lambda of the tasks in the step; the others keep their weight.

        Args:
            task_ids: [B], each task once.
            losses: [B], L_t of the step, without weights.
            gradient_norms: [B], || d L_t / d pool ||, without weights.
        """
        present = self.weights[task_ids]
        weighted = present * gradient_norms  # G_t
        progress = losses / self.initial_losses[task_ids]
        inverse_training_rates = progress / progress.mean()
        target = weighted.mean() * inverse_training_rates**self.restoring_force
        gradient = torch.sign(weighted - target) * gradient_norms * present
        stepped = present * torch.exp(-self.learning_rate * gradient / _scale(weighted))
        self.weights[task_ids] = stepped
        self.weights = renormalise(self.weights, task_ids)


def renormalise(weights: Tensor, task_ids: Tensor) -> Tensor:
    """Return weights within bounds whose sum is T, where only the named tasks have moved.

    Weights are clamped and then share one factor, clamped again; that factor is found by bisection,
    since rescaling and clamping in turn nears the sum slowly when most weights stand at a bound.

    Args:
        weights: [T] positive.
        task_ids: [B], the tasks that may change.

    Returns:
        [T]. The sum is T up to rounding, unless every moving weight stands at one bound.
    """
    low, high = WEIGHT_BOUNDS
    moving = weights[task_ids].double().clamp(low, high)
    budget = len(weights) - (weights.double().sum() - weights[task_ids].double().sum())
    smallest, largest = low / high, high / low  # with these every weight stands at one bound
    for _ in range(60):  # halves a range of 4 decades to less than a rounding error
        factor = (smallest * largest) ** 0.5
        if (moving * factor).clamp(low, high).sum() < budget:
            smallest = factor
        else:
            largest = factor
    result = weights.clone()
    result[task_ids] = (moving * largest).clamp(low, high).to(weights.dtype)
    return result


def _check_positive(initial_losses: Tensor, why: str) -> None:
    if not (initial_losses > 0).all():
        raise ConfigError(
            f"initial losses must be > 0 where {why}, got {float(initial_losses.min())} for task "
            f"{int(initial_losses.argmin())}. Set train.loss_balancing in params.yaml to equal."
        )


def _scale(weighted: Tensor) -> Tensor:
    """Return the mean weighted norm, so that the step does not depend on the loss's unit."""
    return weighted.mean().clamp(min=torch.finfo(weighted.dtype).tiny)
