"""Gym rows as tokenised examples: which rows train, and which are held out.

The order in which examples are seen belongs to `training/mixing.py`, batches to `batching.py`.
"""

import dataclasses
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dpf_core.backbone.frozen import Backbone
from dpf_core.backbone.language_model import LanguageModel
from dpf_core.backbone.texts import cut, embed_texts
from dpf_core.errors import GymError
from dpf_core.gym.reader import Row, TaskRecord, parse_options, read_split
from dpf_core.gym.terms import CLASSIFICATION, MULTIPLE_CHOICE, TEXT
from dpf_core.heads import HeadSpec
from dpf_core.naming import nearest


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskExamples:
    """Tokenised examples of one task; position i of every field is one row."""

    task_id: int
    token_ids: list[list[int]]
    label_ids: list[int]
    """Index of the right label, or of the right option; 0 for free text."""
    options: Tensor | None = None
    """[N, O, H] unit vectors of each row's options where an encoder's task is multiple choice, zero
    where a row has fewer."""
    candidates: list[tuple[str, ...]] | None = None
    """Each row's option texts for multiple choice."""
    answer_ids: list[list[list[int]]] | None = None
    """Each row's candidate answers as tokens, for a language model; one, the right one, for free
    text."""
    references: list[tuple[str, ...]] | None = None
    """Each row's accepted answers for free text."""
    num_truncated: int
    """Rows whose input was cut to the backbone's max_length."""
    num_truncated_answers: int = 0
    """Rows with an answer that was cut to the backbone's max_answer_length."""

    def __len__(self) -> int:
        """Return N."""
        return len(self.label_ids)

    @property
    def head_kind(self) -> tuple[bool, bool]:
        """What keeps examples out of one batch: options for an encoder, free text to write."""
        return self.options is not None, self.references is not None

    def num_tokens(self, row: int) -> int:
        """Return the tokens of a row, its candidate answers included, prompt excluded."""
        answers = [] if self.answer_ids is None else self.answer_ids[row]
        return len(self.token_ids[row]) + sum(map(len, answers))

    def head(self, count: int) -> "TaskExamples":
        """Return the first `count` rows, or all of them where there are fewer."""
        by_row = ("token_ids", "label_ids", "options", "candidates", "answer_ids", "references")
        parts = {name: getattr(self, name) for name in by_row}
        kept = {name: part[:count] for name, part in parts.items() if part is not None}
        return dataclasses.replace(self, **kept)


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
        description=record.description,
    )


SPLIT_SETTINGS = ("seed", "dev_rows", "max_train_rows")
"""Settings of a training that `split_training_rows` reads; a pool keeps them."""


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
    candidates = None
    writer = backbone if isinstance(backbone, LanguageModel) else None
    if spec.kind == MULTIPLE_CHOICE:
        candidates = [_parse(row, spec)[1] for row in rows]
    inputs = [read_text(row, spec, backbone) for row in rows]
    encoded = backbone.tokenizer(inputs, verbose=False)["input_ids"]  # no warning: we cut and count
    token_ids = [cut(ids, backbone) for ids in encoded]
    answers = None if writer is None else _answers(rows, spec, candidates, writer)
    return TaskExamples(
        task_id=task_id,
        token_ids=token_ids,
        label_ids=label_ids(rows, spec),
        options=_option_vectors(candidates, backbone) if candidates and writer is None else None,
        candidates=candidates,
        answer_ids=answers.token_ids if answers else None,
        references=[row.answers for row in rows] if spec.kind == TEXT else None,
        num_truncated=sum(
            len(part) < len(ids) for part, ids in zip(token_ids, encoded, strict=True)
        ),
        num_truncated_answers=answers.num_truncated if answers else 0,
    )


def read_text(row: Row, spec: HeadSpec, backbone: Backbone) -> str:
    """Return what the backbone reads of a row.

    An encoder compares a question with each option, so it reads the question alone; a language
    model reads the options too, and then ranks them.

    Raises:
        GymError: A multiple-choice row has no options.
    """
    if spec.kind != MULTIPLE_CHOICE or isinstance(backbone, LanguageModel):
        return row.input
    return _parse(row, spec)[0]


def label_ids(rows: Sequence[Row], spec: HeadSpec) -> list[int]:
    """Return the index of each row's label, or of its right option; 0 where answers are free text.

    Raises:
        GymError: As `encode_rows`.
    """
    if spec.kind == TEXT:
        return [0] * len(rows)
    if spec.kind == MULTIPLE_CHOICE:
        return [_label_id(row, _parse(row, spec)[1], spec) for row in rows]
    return [_label_id(row, spec.labels, spec) for row in rows]


def most_frequent_answer(rows: Sequence[Row], spec: HeadSpec) -> int | str:
    """Return the label id, position of the right option, or text that most rows have.

    Raises:
        GymError: As `encode_rows`.
    """
    if spec.kind == TEXT:
        return Counter(row.output for row in rows).most_common(1)[0][0]
    return Counter(label_ids(rows, spec)).most_common(1)[0][0]


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


@dataclass(frozen=True, slots=True)
class _Answers:
    token_ids: list[list[list[int]]]
    num_truncated: int


def _answers(
    rows: Sequence[Row],
    spec: HeadSpec,
    candidates: Sequence[tuple[str, ...]] | None,
    backbone: LanguageModel,
) -> _Answers:
    """Return each row's candidate answers as tokens, cut to max_answer_length."""
    if spec.kind == CLASSIFICATION:
        texts: Sequence[tuple[str, ...]] = [spec.label_texts] * len(rows)
    else:
        texts = candidates or [(row.output,) for row in rows]
    length, is_text = backbone.config.max_answer_length, spec.kind == TEXT
    distinct = {text for answers in texts for text in answers}
    whole = {text: backbone.answer_ids(text, is_closed=is_text) for text in sorted(distinct)}
    if empty := [text for text, ids in whole.items() if not ids]:
        raise GymError(
            f"an answer must have at least one token, got none for {empty[0]!r} ({spec.name}). "
            "Correct the label or the row."
        )
    return _Answers(
        [[whole[text][:length] for text in answers] for answers in texts],
        sum(any(len(whole[text]) > length for text in answers) for answers in texts),
    )
