"""Predictions and scores of one task."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dpf_core.backbone.generation import Generation
from dpf_core.batching import collate, micro_batches
from dpf_core.errors import ConfigError
from dpf_core.evaluation.metrics import Answer, score
from dpf_core.examples import TaskExamples
from dpf_core.model import Batch, DPFModel

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
    """Rows whose input was cut to the backbone's max_length."""
    truncated_answers: int
    """Rows with a candidate answer that was cut to the backbone's max_answer_length."""


@torch.inference_mode()
def predict(model: DPFModel, examples: TaskExamples) -> list[str]:
    """Return the most likely candidate of each row, or what the model writes for free text.

    Raises:
        ConfigError: The model's numbers are not finite, so that they choose nothing.
    """
    rows = [(examples, row) for row in range(len(examples))]
    answers = [""] * len(examples)
    if examples.references is not None:
        generation = Generation(max_new_tokens=model.backbone.config.max_answer_length)
        for group in _groups(model, rows):
            batch, _ = collate([rows[position] for position in group])
            texts = model.generate(batch.to(model.backbone.device), generation)
            for position, text in zip(group, texts, strict=True):
                answers[position] = text
        return answers
    chosen = [0] * len(examples)
    for group, logits, _, _ in _scored(model, examples, rows):
        for position, label_id in zip(group, logits.argmax(dim=1).tolist(), strict=True):
            chosen[position] = label_id
    return candidate_texts(model, examples, chosen)


@torch.inference_mode()
def mean_loss(model: DPFModel, examples: TaskExamples) -> float:
    """Return the mean loss of the right answers in nats; see `DPFModel.losses`."""
    rows = [(examples, row) for row in range(len(examples))]
    total = 0.0
    for _, logits, labels, batch in _scored(model, examples, rows):
        total += float(model.losses(logits, labels, batch).sum())
    return total / max(1, len(examples))


def score_task(model: DPFModel, examples: TaskExamples, majority: int | str) -> TaskScore:
    """Return a task's scores beside those of always giving the most frequent training answer.

    Args:
        model: Trained.
        examples: Rows to score.
        majority: What `most_frequent_answer` says of the training rows.
    """
    spec = model.tasks[examples.task_id]
    answers = right_answers(model, examples)
    predictions = predict(model, examples)
    constant = constant_answers(model, examples, majority)
    return TaskScore(
        name=spec.name,
        metric=spec.metric,
        score=score(spec.metric, predictions, answers),
        majority_score=score(spec.metric, constant, answers),
        accuracy=score("ACC", predictions, answers),
        macro_f1=score("Classification-F1", predictions, answers),
        num_test_rows=len(examples),
        truncated_rows=examples.num_truncated,
        truncated_answers=examples.num_truncated_answers,
    )


def quick_score(model: DPFModel, examples: TaskExamples) -> float:
    """Return a task's score by its own metric alone."""
    metric = model.tasks[examples.task_id].metric
    return score(metric, predict(model, examples), right_answers(model, examples))


def right_answers(model: DPFModel, examples: TaskExamples) -> list[Answer]:
    """Return each row's right candidate, or all accepted answers where they are free text."""
    if examples.references is not None:
        return list(examples.references)
    return list(candidate_texts(model, examples, examples.label_ids))


def constant_answers(model: DPFModel, examples: TaskExamples, majority: int | str) -> list[str]:
    """Return the answer that always gives one label id, position of an option, or text."""
    if isinstance(majority, str):
        return [majority] * len(examples)
    return candidate_texts(model, examples, [majority] * len(examples))


def candidate_texts(model: DPFModel, examples: TaskExamples, label_ids: Sequence[int]) -> list[str]:
    """Return each row's candidate of an id; a row with fewer candidates gives its last one."""
    if examples.candidates is None:
        labels = model.tasks[examples.task_id].labels
        return [labels[label_id] for label_id in label_ids]
    return [
        options[min(label_id, len(options) - 1)]
        for options, label_id in zip(examples.candidates, label_ids, strict=True)
    ]


def _scored(
    model: DPFModel, examples: TaskExamples, rows: Sequence[tuple[TaskExamples, int]]
) -> Iterator[tuple[list[int], Tensor, Tensor, Batch]]:
    """Yield positions, logits [B, C], right ids [B] and the batch of each micro-batch."""
    device, prompts = model.backbone.device, None
    if model.front_end is not None:
        prompts = model.front_end(torch.tensor([examples.task_id], device=device))
    for group in _groups(model, rows):
        batch, labels = collate([rows[position] for position in group])
        batch = batch.to(device)
        expanded = None if prompts is None else prompts.expand(len(group), -1, -1, -1)
        logits = model.score(expanded, batch)
        _check_finite(logits, group, model.tasks[examples.task_id].name)
        yield group, logits, labels.to(device), batch


def _check_finite(logits: Tensor, group: Sequence[int], task: str) -> None:
    """Refuse logits [B, C] that choose nothing; candidates that a row lacks are at -inf."""
    is_broken = logits.isnan().any(dim=1) | logits.isinf().all(dim=1)
    if is_broken.any():
        position = int(is_broken.nonzero()[0, 0])
        raise ConfigError(
            f"the logits of a row must be numbers, got {logits[position].tolist()} for row "
            f"{group[position]} of {task}. The weights are not finite, or bf16 is too coarse: "
            "train with lower learning rates (train in params.yaml), or set backbone.precision to "
            "fp32."
        )


def _groups(model: DPFModel, rows: Sequence[tuple[TaskExamples, int]]) -> Iterator[list[int]]:
    return micro_batches(
        rows,
        prompt_length=model.prompt_length,
        batch_tokens=model.backbone.config.batch_tokens * FORWARD_BATCH_FACTOR,
        repeats_input=model.backbone.repeats_input,
    )
