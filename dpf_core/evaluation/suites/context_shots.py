"""Solved rows before each scored row, for a decoder, which continues the text that it reads.

What a row with two shots reads, after the prompt; each answer follows its input after a blank, as
the answer that is scored does, and an empty line ends it:

    input of the first solved row, its right answer

    input of the second solved row, its right answer

    input of the row itself
"""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice

from dpf_core.backbone.frozen import Backbone
from dpf_core.errors import ConfigError
from dpf_core.evaluation.suites.suite import Member, subject_of
from dpf_core.examples import TaskExamples, label_ids
from dpf_core.gym.reader import Row
from dpf_core.gym.terms import CLASSIFICATION
from dpf_core.heads import HeadSpec

SEPARATOR = "\n\n"


def choose_shots(
    rows: Sequence[Row], solved: Sequence[Row], member: Member, count: int
) -> list[list[Row]]:
    """Return the solved rows that stand before each row, the nearest one last.

    They are the first ones of the row's own subject, or of the task where it has no subjects, in
    the order of `solved`. One that asks what the row asks is passed over, since it would give the
    answer away.

    Args:
        rows: To be scored.
        solved: The task's training rows in file order.
        member: The task.
        count: Shots before each row, > 0.

    Raises:
        ConfigError: A subject, or the task, has fewer solved rows than that.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in solved:
        groups[_subject(row, member)].append(row)
    for subject in dict.fromkeys(_subject(row, member) for row in rows):
        if len(groups[subject]) < count:
            where = f"task {member.task!r}" + (f", subject {subject!r}" if subject else "")
            raise ConfigError(
                f"the shots in the context must be <= {len(groups[subject])}, the training rows of "
                f"{where} in the gym, got {count} (--context-shots). Ask for fewer, or give the "
                "task more training rows."
            )
    return [
        list(islice((s for s in groups[_subject(row, member)] if s.input != row.input), count))
        for row in rows
    ]


def context_text(text: str, shots: Sequence[Row], spec: HeadSpec) -> str:
    r"""Return an input with solved rows before it.

    Raises:
        GymError: The answer of a solved row is not one of the task's labels.

    >>> fields = {"labels": (), "label_texts": (), "metric": "EM", "description": "Sums."}
    >>> task = HeadSpec(name="sum", kind="text", **fields)
    >>> context_text("1 + 1 =", [Row("2 + 1 =", "3", 1), Row("0 + 1 =", "1", 2)], task)
    '2 + 1 = 3\n\n0 + 1 = 1\n\n1 + 1 ='
    """
    return "".join([f"{row.input} {_answer(row, spec)}{SEPARATOR}" for row in shots] + [text])


def with_shots(
    examples: TaskExamples,
    rows: Sequence[Row],
    shots: Sequence[Sequence[Row]],
    spec: HeadSpec,
    backbone: Backbone,
) -> tuple[TaskExamples, list[int]]:
    """Return the examples with solved rows before their inputs, and how many stand before each.

    No input is cut to make room: of shots that exceed the backbone's max_length together with the
    input, the farthest are left out. An input that exceeds it alone is as it was, without shots.
    That max_length, prompt and answer fit the model's positions was checked when it was assembled.

    Args:
        examples: The rows, tokenised without shots.
        rows: What `examples` was made from.
        shots: Of each row, see `choose_shots`.
        spec: The task.
        backbone: A decoder.

    Raises:
        GymError: As `context_text`.
    """
    token_ids, counts = list(examples.token_ids), [0] * len(rows)
    for i, (row, wanted) in enumerate(zip(rows, shots, strict=True)):
        for first in range(len(wanted)):
            text = context_text(row.input, wanted[first:], spec)
            ids: list[int] = backbone.tokenizer(text, verbose=False)["input_ids"]
            if len(ids) <= backbone.config.max_length:
                token_ids[i], counts[i] = ids, len(wanted) - first
                break
    return dataclasses.replace(examples, token_ids=token_ids), counts


def _subject(row: Row, member: Member) -> str:
    return "" if member.subjects is None else subject_of(row.input)


def _answer(row: Row, spec: HeadSpec) -> str:
    if spec.kind != CLASSIFICATION:
        return row.output
    return spec.label_texts[label_ids([row], spec)[0]]
