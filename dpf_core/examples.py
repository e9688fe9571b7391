"""Gym rows as tokenised examples: which rows train, which are held out, what a batch holds.

The order in which examples are seen belongs to `mixing.py`.
"""

import dataclasses
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dpf_core.backbone.encoder import Backbone
from dpf_core.errors import GymError
from dpf_core.gym.reader import Row, TaskRecord, parse_options, read_split
from dpf_core.heads import HeadSpec
from dpf_core.model import Batch, embed_texts
from dpf_core.naming import nearest


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskExamples:
    """Tokenised examples of one task; position i of every field is one row."""

    task_id: int
    token_ids: list[list[int]]
    label_ids: list[int]
    """Index of the right label, or of the right option."""
    options: Tensor | None
    """[N, O, H] unit vectors of each row's options, zero where a row has fewer; None if fixed."""
    candidates: list[tuple[str, ...]] | None
    """Each row's option texts for multiple choice."""
    num_truncated: int
    """Rows whose input was cut to the backbone's max_length."""

    def __len__(self) -> int:
        """Return N."""
        return len(self.label_ids)

    def head(self, count: int) -> "TaskExamples":
        """Return the first `count` rows, or all of them where there are fewer."""
        return dataclasses.replace(
            self,
            token_ids=self.token_ids[:count],
            label_ids=self.label_ids[:count],
            options=None if self.options is None else self.options[:count],
            candidates=None if self.candidates is None else self.candidates[:count],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RowCounts:
    """Where a task's training rows went; train + dev + the rest = all of them."""

    train: int
    dev: int
    removed_dev_overlap: int
    """Rows left out of training because their input is also a dev input."""
    capped: int
    """Rows beyond max_train_rows."""


def head_spec(record: TaskRecord) -> HeadSpec:
    """Return what a head must know of a gym task."""
    labels = tuple(record.labels or ())
    return HeadSpec(
        name=record.name,
        kind=record.kind,
        labels=labels,
        label_texts=tuple(record.label_texts.get(label, label) for label in labels),
        metric=record.metric,
    )


def split_training_rows(
    gym: Path, record: TaskRecord, *, dev_rows: int, max_train_rows: int, seed: int
) -> tuple[list[Row], list[Row], RowCounts]:
    """Return disjoint train and dev rows of a task, and the count of what was left out.

    The dev rows are drawn by the seed, at most a fifth of the file. No input stands in both.
    """
    rows = read_split(gym, record, "full_train")
    order = list(rows)
    random.Random(f"{seed} {record.name}").shuffle(order)
    num_dev = min(dev_rows, max(1, len(order) // 5))
    dev, rest = order[:num_dev], order[num_dev:]
    held_out = {row.input for row in dev}
    unseen = [row for row in rest if row.input not in held_out]
    train = unseen[:max_train_rows]
    if not train:
        raise GymError(
            f"a task must have training rows beside its dev rows, got {len(rows)} rows with "
            f"{len(held_out)} held out ({record.name}, full_train). Add rows or lower "
            "train.dev_rows."
        )
    counts = RowCounts(
        train=len(train),
        dev=len(dev),
        removed_dev_overlap=len(rest) - len(unseen),
        capped=len(unseen) - len(train),
    )
    return train, dev, counts


def encode_rows(
    rows: Sequence[Row], spec: HeadSpec, task_id: int, backbone: Backbone
) -> TaskExamples:
    """Return tokenised rows.

    Raises:
        GymError: A row's label is not one of the task's labels or of its own options, or a
            multiple-choice row has no options.
    """
    inputs = [row.input for row in rows]
    candidates = None
    if spec.kind == "multiple_choice":
        parsed = [_parse(row, spec) for row in rows]
        inputs = [question for question, _ in parsed]
        candidates = [options for _, options in parsed]
    encoded = backbone.tokenizer(inputs, verbose=False)["input_ids"]  # no warning: we cut and count
    token_ids = [_cut(ids, backbone.config.max_length) for ids in encoded]
    return TaskExamples(
        task_id=task_id,
        token_ids=token_ids,
        label_ids=label_ids(rows, spec),
        options=_option_vectors(candidates, backbone) if candidates else None,
        candidates=candidates,
        num_truncated=sum(len(cut) < len(ids) for cut, ids in zip(token_ids, encoded, strict=True)),
    )


def label_ids(rows: Sequence[Row], spec: HeadSpec) -> list[int]:
    """Return the index of each row's label, or of its right option.

    Raises:
        GymError: As `encode_rows`.
    """
    if spec.kind == "multiple_choice":
        return [_label_id(row, _parse(row, spec)[1], spec) for row in rows]
    return [_label_id(row, spec.labels, spec) for row in rows]


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
    options = None
    if examples[0][0].options is not None:
        vectors = [task.options[row] for task, row in examples if task.options is not None]
        options = torch.nn.utils.rnn.pad_sequence(vectors, batch_first=True)
    batch = Batch(
        task_ids=torch.tensor([task.task_id for task, _ in examples]),
        input_ids=input_ids,
        attention_mask=mask,
        options=options,
    )
    return batch, torch.tensor([task.label_ids[row] for task, row in examples])


def micro_batches(
    examples: Sequence[tuple[TaskExamples, int]], *, prompt_length: int, batch_tokens: int
) -> Iterator[list[int]]:
    """Yield positions of `examples` that run together: same head, similar length, bounded size.

    The split bounds padding and memory; it does not change what a step computes.

    Args:
        examples: (task, row) pairs in any order.
        prompt_length: P, added to every example's length.
        batch_tokens: Padded tokens of a micro-batch at most (one example may be longer alone).
    """

    def key(position: int) -> tuple[bool, int, int]:
        task, row = examples[position]
        return task.options is not None, len(task.token_ids[row]), position

    group: list[int] = []
    for position in sorted(range(len(examples)), key=key):
        width = key(position)[1] + prompt_length
        other_head = group and key(group[0])[0] != key(position)[0]
        if other_head or width * (len(group) + 1) > max(batch_tokens, width):
            yield group
            group = []
        group.append(position)
    if group:
        yield group


def _cut(ids: list[int], max_length: int) -> list[int]:
    """Return ids cut to max_length, with the closing special token kept."""
    return ids if len(ids) <= max_length else [*ids[: max_length - 1], ids[-1]]


def _parse(row: Row, spec: HeadSpec) -> tuple[str, tuple[str, ...]]:
    try:
        return parse_options(row.input)
    except ValueError as error:
        raise GymError(f"{error} ({spec.name}, line {row.line}). Correct the row.") from error


def _label_id(row: Row, labels: Sequence[str], spec: HeadSpec) -> int:
    if row.output not in labels:
        raise GymError(
            f"a row's label must be one of {', '.join(labels)}, got {row.output!r} ({spec.name}, "
            f"line {row.line}).{nearest(row.output, labels)} Correct the row or the labels."
        )
    return list(labels).index(row.output)


def _option_vectors(candidates: Sequence[tuple[str, ...]], backbone: Backbone) -> Tensor:
    distinct = sorted({text for options in candidates for text in options})
    vectors = torch.nn.functional.normalize(embed_texts(backbone, distinct), dim=-1)
    index = {text: i for i, text in enumerate(distinct)}
    width = max(len(options) for options in candidates)
    result = torch.zeros(len(candidates), width, vectors.shape[1])
    for i, options in enumerate(candidates):
        result[i, : len(options)] = vectors[[index[text] for text in options]]
    return result
