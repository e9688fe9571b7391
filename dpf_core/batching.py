"""Tokenised examples as padded batches, and a step's examples as micro-batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dpf_core.backbone.answers import collate_answers
from dpf_core.examples import TaskExamples
from dpf_core.model import Batch


def collate(examples: Sequence[tuple[TaskExamples, int]]) -> tuple[Batch, Tensor]:
    """Return a right-padded batch and its label ids [B].

    Args:
        examples: (task, row) pairs, all with fixed labels or all multiple choice.
    """
    longest = max(len(task.token_ids[row]) for task, row in examples)
    input_ids = torch.zeros(len(examples), longest, dtype=torch.int64)
    mask = torch.zeros_like(input_ids)
    for i, (task, row) in enumerate(examples):
        ids = task.token_ids[row]
        input_ids[i, : len(ids)] = torch.tensor(ids)
        mask[i, : len(ids)] = 1
    vectors = [task.options[row] for task, row in examples if task.options is not None]
    answers = [task.answer_ids[row] for task, row in examples if task.answer_ids is not None]
    batch = Batch(
        task_ids=torch.tensor([task.task_id for task, _ in examples]),
        input_ids=input_ids,
        attention_mask=mask,
        options=torch.nn.utils.rnn.pad_sequence(vectors, batch_first=True) if vectors else None,
        answers=collate_answers(answers) if answers else None,
    )
    return batch, torch.tensor([task.label_ids[row] for task, row in examples])


def micro_batches(
    examples: Sequence[tuple[TaskExamples, int]],
    *,
    prompt_length: int,
    batch_tokens: int,
    repeats_input: bool = False,
) -> Iterator[list[int]]:
    """Yield positions of `examples` that run together: same head, similar length, bounded size.

    The split bounds padding and memory; it does not change what a step computes.

    Args:
        examples: (task, row) pairs in any order.
        prompt_length: P, added to every example's length.
        batch_tokens: Padded tokens of a micro-batch at most (one example may be longer alone).
        repeats_input: Whether every candidate answer has the input beside it, as where a decoder
            reads an encoder's states.
    """

    def key(position: int) -> tuple[tuple[bool, bool], int, int]:
        task, row = examples[position]
        return task.head_kind, task.num_tokens(row), position

    group: list[int] = []
    shape = _Shape()
    for position in sorted(range(len(examples)), key=key):
        wider = shape.with_row(*examples[position])
        other_head = group and key(group[0])[0] != key(position)[0]
        times = max(1, wider.num_answers) if repeats_input else 1
        width = (prompt_length + wider.input_tokens) * times + wider.answers_width
        tokens = width * (len(group) + 1)
        if group and (other_head or tokens > batch_tokens):
            yield group
            group, wider = [], _Shape().with_row(*examples[position])
        group.append(position)
        shape = wider
    if group:
        yield group


@dataclass(frozen=True, slots=True)
class _Shape:
    """Longest input, most candidates and longest candidate of a micro-batch."""

    input_tokens: int = 0
    num_answers: int = 0
    answer_tokens: int = 0

    @property
    def answers_width(self) -> int:
        """Padded tokens of a row's candidates."""
        return self.num_answers * self.answer_tokens

    def with_row(self, task: TaskExamples, row: int) -> "_Shape":
        answers = [] if task.answer_ids is None else task.answer_ids[row]
        return _Shape(
            max(self.input_tokens, len(task.token_ids[row])),
            max(self.num_answers, len(answers)),
            max([self.answer_tokens, *map(len, answers)]),
        )
