"""What a prompt is worth on a task as it is: it stays frozen, and the head alone learns.

The backbone's features of a row are then constants. They are computed once, so that all steps of
the head cost less than one pass through the backbone.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dpf_core.backbone.frozen import mean_over_tokens
from dpf_core.batching import collate
from dpf_core.config import TrainConfig
from dpf_core.evaluation.metrics import score
from dpf_core.evaluation.per_task import candidate_texts, quick_score, right_answers
from dpf_core.examples import TaskExamples
from dpf_core.heads import LabelTextHeads
from dpf_core.model import DPFModel
from dpf_core.training.mixing import mixing_table
from dpf_core.training.optimizer import build_optimizer, set_learning_rate


@dataclass(frozen=True, slots=True)
class _Features:
    rows: Tensor
    """[N, H], means over the tokens of each row's text."""
    labels: Tensor
    """[N] int64, ids of the right labels."""


def dev_score(
    model: DPFModel, train_rows: TaskExamples, dev_rows: TaskExamples, config: TrainConfig
) -> float:
    """Return the best dev score that the head of a one-task model reaches beside its prompt.

    Rows, order of batches, rate and steps are those of `train`, which would end early without
    patience. A multiple choice has no head, so such a task is scored as it is.

    Args:
        model: Over an encoder, with one task; its head is trained in place, its prompt is not.
        train_rows: Of the task.
        dev_rows: Of the task; they choose the step.
        config: The rate of the head, steps, seed.
    """
    heads = model.heads
    assert heads is not None, "an encoder's model has heads"
    if model.tasks[0].kind == "multiple_choice":
        return quick_score(model, dev_rows)
    _freeze_prompt(model)
    train, dev = _features(model, train_rows), _features(model, dev_rows)
    table = mixing_table(
        [len(train_rows)],
        num_steps=config.max_steps,
        batch_size=config.batch_size,
        sampling_temperature=config.sampling_temperature,
        seed=config.seed,
    )
    optimizer, best = build_optimizer(model, config), float("-inf")
    for step, chosen in enumerate(table):
        rows = torch.tensor([int(row) for _, row in chosen], device=train.rows.device)
        set_learning_rate(optimizer, step, config)
        optimizer.zero_grad(set_to_none=True)
        logits = _logits(heads, train.rows[rows])
        torch.autograd.backward(nn.functional.cross_entropy(logits, train.labels[rows]))
        nn.utils.clip_grad_norm_(heads.parameters(), config.gradient_clip)
        optimizer.step()
        if (step + 1) % config.eval_every_steps == 0 or step + 1 == config.max_steps:
            best = max(best, _score(model, heads, dev, dev_rows))
    return best


def _freeze_prompt(model: DPFModel) -> None:
    if model.front_end is not None:
        for tensor in model.front_end.parameters():
            tensor.requires_grad = False


@torch.no_grad()
def _features(model: DPFModel, examples: TaskExamples) -> _Features:
    """Return the features of all rows; one row at a time, so that no padding shapes a sum."""
    device, found, labels = model.backbone.device, [], []
    for row in range(len(examples)):
        batch, label = collate([(examples, row)])
        batch = batch.to(device)
        prompts = None if model.front_end is None else model.front_end(batch.task_ids)
        given = model.place(prompts, batch)
        hidden = model.backbone.encode(given.embeds, given.mask, given.layer_prompts)
        found.append(mean_over_tokens(hidden, given.is_text))
        labels.append(label.to(device))
    return _Features(torch.cat(found), torch.cat(labels))


@torch.no_grad()
def _score(model: DPFModel, heads: LabelTextHeads, dev: _Features, examples: TaskExamples) -> float:
    predictions = candidate_texts(model, examples, _logits(heads, dev.rows).argmax(dim=1).tolist())
    return score(model.tasks[0].metric, predictions, right_answers(model, examples))


def _logits(heads: LabelTextHeads, rows: Tensor) -> Tensor:
    """Return [B, C] of the one task for features [B, H]."""
    logits: Tensor = heads(rows, torch.zeros(len(rows), dtype=torch.int64, device=rows.device))
    return logits
