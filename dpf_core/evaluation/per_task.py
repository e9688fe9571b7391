"""Predictions and scores of one task."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from dpf_core.evaluation.metrics import accuracy, macro_f1, score
from dpf_core.examples import TaskExamples, collate, micro_batches
from dpf_core.model import DPFModel

FORWARD_BATCH_FACTOR = 4
"""Without a backward pass a micro-batch may hold this many times the tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskScore:
    """How well one task's test rows are answered; all fractions."""

    name: str
    metric: str
    score: float
    majority_score: float
    accuracy: float
    macro_f1: float
    num_test_rows: int
    truncated_rows: int


@torch.inference_mode()
def predict(model: DPFModel, examples: TaskExamples) -> tuple[list[int], float]:
    """Return the most likely label id of each row, and the mean cross-entropy in nats."""
    predictions = [0] * len(examples)
    total_loss = 0.0
    prompts = None
    if model.front_end is not None:
        prompts = model.front_end(torch.tensor([examples.task_id]))
    rows = [(examples, row) for row in range(len(examples))]
    groups = micro_batches(
        rows,
        prompt_length=0 if prompts is None else prompts.shape[2],
        batch_tokens=model.backbone.config.batch_tokens * FORWARD_BATCH_FACTOR,
    )
    for group in groups:
        batch, labels = collate([rows[position] for position in group])
        expanded = None if prompts is None else prompts.expand(len(group), -1, -1, -1)
        logits = model.score(expanded, batch)
        total_loss += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
        for position, prediction in zip(group, logits.argmax(dim=1).tolist(), strict=True):
            predictions[position] = prediction
    return predictions, total_loss / max(1, len(examples))


def score_task(
    model: DPFModel, examples: TaskExamples, train_label_ids: Sequence[int]
) -> TaskScore:
    """Return a task's scores beside those of always giving the most frequent training label.

    For multiple choice the most frequent position of the right option stands for the label.
    """
    spec = model.tasks[examples.task_id]
    answers = _texts(model, examples, examples.label_ids)
    predictions = _texts(model, examples, predict(model, examples)[0])
    majority = Counter(train_label_ids).most_common(1)[0][0]
    constant = _texts(model, examples, [majority] * len(examples))
    return TaskScore(
        name=spec.name,
        metric=spec.metric,
        score=score(spec.metric, predictions, answers),
        majority_score=score(spec.metric, constant, answers),
        accuracy=accuracy(predictions, answers),
        macro_f1=macro_f1(predictions, answers),
        num_test_rows=len(examples),
        truncated_rows=examples.num_truncated,
    )


def quick_score(model: DPFModel, examples: TaskExamples) -> float:
    """Return a task's score by its own metric alone."""
    answers = _texts(model, examples, examples.label_ids)
    predictions = _texts(model, examples, predict(model, examples)[0])
    return score(model.tasks[examples.task_id].metric, predictions, answers)


def _texts(model: DPFModel, examples: TaskExamples, label_ids: Sequence[int]) -> list[str]:
    if examples.candidates is None:
        labels = model.tasks[examples.task_id].labels
        return [labels[label_id] for label_id in label_ids]
    return [
        options[min(label_id, len(options) - 1)]
        for options, label_id in zip(examples.candidates, label_ids, strict=True)
    ]
