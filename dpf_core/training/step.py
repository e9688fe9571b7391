"""One training step: one backward pass through the backbone gives every task's gradient."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dpf_core.examples import TaskExamples, collate, micro_batches
from dpf_core.model import DPFModel


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """What a step tells of its tasks, on the CPU; every field is [B], one entry a task."""

    task_ids: Tensor
    losses: Tensor
    """L_t, the mean over the task's examples in the whole batch, without task weights."""
    gradient_norms: Tensor
    """|| d L_t / d pool ||, without task weights; zeros where there is no pool."""


def accumulate_gradients(
    model: DPFModel, examples: Sequence[tuple[TaskExamples, int]], task_weights: Tensor
) -> StepResult:
    """Add d(sum_t lambda_t L_t) to the gradients of every trainable tensor (equation 6).

    The fused prompts are cut out of the graph as a leaf. Micro-batches add to the leaf's gradient;
    the front end is then differentiated once, and the leaf's gradient holds every task's own.

    Args:
        model: Its trainable gradients are added to.
        examples: (task, row) pairs, the whole batch, tasks mixed.
        task_weights: [T], lambda.
    """
    device = model.backbone.device
    task_weights = task_weights.to(device)
    ids = torch.tensor([task.task_id for task, _ in examples], device=device)
    present, local, counts = torch.unique(ids, return_inverse=True, return_counts=True)
    fused = None if model.front_end is None else model.front_end(present)
    leaf = None if fused is None else fused.detach().requires_grad_()
    losses = torch.zeros(len(present), device=device)
    groups = micro_batches(
        examples,
        prompt_length=model.prompt_length,
        batch_tokens=model.backbone.config.batch_tokens,
    )
    for group in groups:
        batch, labels = collate([examples[position] for position in group])
        batch, labels = batch.to(device), labels.to(device)
        where = local[group]
        prompts = None if leaf is None else leaf.index_select(0, where)
        logits = model.score(prompts, batch)
        shares = model.losses(logits, labels, batch) / counts[where]
        losses.index_add_(0, where, shares.detach())
        loss = (shares * task_weights[batch.task_ids]).sum()
        if loss.requires_grad:  # options scored without a prompt depend on nothing that is trained
            loss.backward()
    norms = torch.zeros(len(present), device=device)
    if model.front_end is not None and fused is not None and leaf is not None:
        prompt_gradients = _gradient(leaf)
        fused.backward(prompt_gradients)
        unweighted = prompt_gradients / task_weights[present][:, None, None, None]
        norms = model.front_end.pool_gradient_norms(present, unweighted)
    return StepResult(task_ids=present.cpu(), losses=losses.cpu(), gradient_norms=norms.cpu())


def _gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None, "every micro-batch reads the leaf"
    return leaf.grad
