"""One training step: one backward pass through the backbone gives every task's gradient."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dpf_core.batching import collate, micro_batches
from dpf_core.examples import TaskExamples
from dpf_core.model import DPFModel
from dpf_core.training.processes import SINGLE, Processes


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """What a step tells of its tasks, on the CPU; every field is [B], one entry a task."""

    task_ids: Tensor
    losses: Tensor
    """L_t, the mean over the task's examples in the whole batch, without task weights."""
    gradient_norms: Tensor
    """|| d L_t / d pool ||, without task weights; zeros where there is no pool."""


def accumulate_gradients(
    model: DPFModel,
    examples: Sequence[tuple[TaskExamples, int]],
    task_weights: Tensor,
    processes: Processes = SINGLE,
) -> StepResult:
    """Add d(sum_t lambda_t L_t) to the gradients of every trainable tensor (equation 6).

    A model's `extra_losses` join L_t in the gradients, and not in what is returned.

    The fused prompts are cut out of the graph as a leaf. Micro-batches add to the leaf's gradient;
    the front end is then differentiated once, and the leaf's gradient holds every task's own.
    Several processes run a share of the examples each and sum the leaf's gradient before that.

    Args:
        model: Its trainable gradients are added to; several processes must start without any.
        examples: (task, row) pairs, the whole batch, tasks mixed.
        task_weights: [T], lambda.
        processes: That share the batch; each gets the gradients and the result of all.

    Raises:
        ProcessError: Another process has ended.
    """
    device = model.backbone.device
    task_weights = task_weights.to(device)
    ids = torch.tensor([task.task_id for task, _ in examples], device=device)
    present, local, counts = torch.unique(ids, return_inverse=True, return_counts=True)
    fused = None if model.front_end is None else model.front_end(present)
    leaf = None if fused is None else fused.detach().requires_grad_()
    losses = torch.zeros(len(present), device=device)
    mine = processes.share(len(examples))
    groups = micro_batches(
        [examples[position] for position in mine],
        prompt_length=model.prompt_length,
        batch_tokens=model.backbone.config.batch_tokens,
        repeats_input=model.backbone.repeats_input,
    )
    for group in groups:
        positions = [mine[i] for i in group]
        batch, labels = collate([examples[position] for position in positions])
        batch, labels = batch.to(device), labels.to(device)
        where = local[positions]
        prompts = None if leaf is None else leaf.index_select(0, where)
        logits = model.score(prompts, batch)
        shares = model.losses(logits, labels, batch) / counts[where]
        losses.index_add_(0, where, shares.detach())
        if model.extra_losses is not None:
            shares = shares + model.extra_losses(logits, batch) / counts[where]
        loss = (shares * task_weights[batch.task_ids]).sum()
        if loss.requires_grad:  # options scored without a prompt depend on nothing that is trained
            loss.backward()
    direct = model.directly_trained()
    _sum_gradients(direct if leaf is None else [leaf, *direct], losses, processes)
    norms = torch.zeros(len(present), device=device)
    if model.front_end is not None and fused is not None and leaf is not None:
        prompt_gradients = _gradient(leaf)
        if fused.requires_grad:  # not where pool, scheduler and gate all stay as they are
            fused.backward(prompt_gradients)
        unweighted = prompt_gradients / task_weights[present][:, None, None, None]
        norms = model.front_end.pool_gradient_norms(present, unweighted)
    return StepResult(task_ids=present.cpu(), losses=losses.cpu(), gradient_norms=norms.cpu())


def _sum_gradients(tensors: Sequence[Tensor], losses: Tensor, processes: Processes) -> None:
    """Sum losses and gradients over the processes; a tensor that none has one for keeps none.

    A gradient of zeros would be another thing: AdamW then goes on by its momentum.
    """
    if processes.count == 1:
        return
    present = [float(tensor.grad is not None) for tensor in tensors]
    num_present = torch.tensor(present, device=losses.device)
    for tensor in tensors:
        if tensor.grad is None:
            tensor.grad = torch.zeros_like(tensor)
    gradients = [tensor.grad for tensor in tensors if tensor.grad is not None]
    processes.sum_([losses, num_present, *gradients])
    for tensor, count in zip(tensors, num_present.tolist(), strict=True):
        if not count:
            tensor.grad = None


def _gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None, "every micro-batch reads the leaf"
    return leaf.grad
