"""Training with a teacher: its logits draw those of the model that learns."""

import torch
from torch import Tensor, nn

from dpf_core.errors import ConfigError
from dpf_core.model import Batch, DPFModel


def distil(model: DPFModel, teacher: DPFModel, *, weight: float) -> None:
    """Add the divergence from a teacher's logits to what training minimises, task by task.

    `loss(x) + weight * KL(teacher(x) || model(x))` in nats over the candidates, as multitask prompt
    tuning distils its single-task prompts (arXiv 2303.02861). That paper's third term,
    the distance of hidden states, is left out. Free text has one candidate and no such divergence.
    Reported losses stay without it, and pools do not keep it.

    Args:
        model: Its `extra_losses` is set.
        teacher: Of the same tasks and backbone; it is not changed.
        weight: Of the divergence, > 0.

    Raises:
        ConfigError: The weight is out of range, or the teacher is of other tasks or weights.
    """
    if not weight > 0:
        raise ConfigError(
            f"the weight of a teacher must be > 0, got {weight}. Train without one otherwise."
        )
    _check_teacher(model, teacher)

    def divergence(logits: Tensor, batch: Batch) -> Tensor:
        with torch.no_grad():
            wanted = teacher(batch)
        return weight * kl_divergence(wanted, logits)

    model.extra_losses = divergence


def kl_divergence(wanted: Tensor, found: Tensor) -> Tensor:
    """Return KL(softmax(wanted) || softmax(found)) of each row in nats, [B].

    Args:
        wanted: [B, C] logits, `-inf` where there is no candidate.
        found: [B, C], `-inf` at the same places.

    >>> kl_divergence(torch.zeros(1, 2), torch.tensor([[0.0, 0.0]])).item()
    0.0
    """
    is_candidate = torch.isfinite(wanted)
    target, guess = (
        nn.functional.log_softmax(logits, dim=-1).masked_fill(~is_candidate, 0.0)
        for logits in (wanted, found)
    )
    terms = target.exp() * (target - guess)
    return terms.masked_fill(~is_candidate, 0.0).sum(dim=-1)


def _check_teacher(model: DPFModel, teacher: DPFModel) -> None:
    mine, theirs = ([(t.name, t.labels) for t in part.tasks] for part in (model, teacher))
    if mine != theirs:
        names = [", ".join(name for name, _ in part) for part in (mine, theirs)]
        raise ConfigError(
            f"a teacher must have the model's tasks with their labels in order, {names[0]}, got "
            f"{names[1]}. Train the teacher on the same gym."
        )
    if model.backbone.sha256 != teacher.backbone.sha256:
        raise ConfigError(
            f"a teacher's backbone must have the weights {model.backbone.sha256}, got "
            f"{teacher.backbone.sha256}. Train the teacher with this backbone."
        )
