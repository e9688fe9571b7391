"""From predictions to the scores of a suite: each task, the means, and what guessing would give."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from dpf_core.errors import GymError
from dpf_core.evaluation.metrics import Answer
from dpf_core.evaluation.suites.measures import MEASURES
from dpf_core.evaluation.suites.suite import Member, Suite, subject_of
from dpf_core.naming import nearest

GUESS_SEED = 1
GUESSED_ROWS = 100_000
"""Rows that are guessed for one task, over all its draws; few rows are drawn more often."""
MIN_DRAWS, MAX_DRAWS = 5, 500
_ROW_WISE = ("ACC", "EM")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """The test rows of one task with a model's predictions; position i of every field is a row."""

    metric: str
    """CrossFit's, or the one that the gym's task names."""
    status: str
    """`verified`, `unverified` or `no official files`, as the gym says."""
    inputs: Sequence[str]
    answers: Sequence[Answer]
    predictions: Sequence[str]
    constant: Sequence[str]
    """What the most frequent training label, or position of the right option, gives."""
    choices: Sequence[Sequence[str]]
    """The texts that a row could be answered with."""
    truncated_rows: int
    context_shots: int = 0
    """Solved rows that were asked for before each row."""
    shots: Sequence[int] = ()
    """Those that found room before each row; empty where none were asked for."""

    @property
    def rows_with_fewer_shots(self) -> int:
        """Rows with fewer solved rows before them than were asked for."""
        return sum(count < self.context_shots for count in self.shots)


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """A score beside what two ways of not reading the input give."""

    score: float
    chance: float
    """Mean score of guessing each choice alike."""
    majority: float
    """Score of the most frequent training label or position."""

    def to_json(self) -> dict[str, float]:
        """Return the level as JSON values."""
        return {"score": self.score, "chance": self.chance, "majority": self.majority}


def suite_result(
    suite: Suite, answered: Mapping[str, Answered], absent: Mapping[str, str]
) -> dict[str, Any]:
    """Return all scores of a suite as JSON values.

    Args:
        suite: What is scored.
        answered: By task; every member stands here or in `absent`.
        absent: The reason for each member without predictions.

    Raises:
        GymError: A row is not what a measure or the suite's subjects expect.
    """
    tasks = [member_result(m, answered[m.task]) for m in suite.members if m.task in answered]
    label = f"{len(tasks)} of {len(suite.members)} tasks"
    return {
        "suite": suite.name,
        "description": suite.description,
        "reference": suite.reference,
        "notes": suite.notes,
        "tasks": tasks,
        "absent": [{"task": m.task, "reason": absent[m.task]}
                   for m in suite.members if m.task not in answered],
        "means": {
            kind: {"over": label, **{key: mean(task[kind][key] for task in tasks)
                                     for key in ("score", "chance", "majority")}}
            for kind in ("own", "crossfit")
        } if tasks else None,
    }  # fmt: skip


def member_result(member: Member, rows: Answered) -> dict[str, Any]:
    """Return one task's scores by the suite's measures and by CrossFit's."""
    crossfit = member.crossfit or rows.metric
    own = member.own or (crossfit,)
    levels = {name: level(name, rows) for name in dict.fromkeys((*own, crossfit))}
    keys = ("score", "chance", "majority")
    result: dict[str, Any] = {
        "task": member.task,
        "stands_for": member.stands_for,
        "status": rows.status,
        "num_rows": len(rows.answers),
        "truncated_rows": rows.truncated_rows,
        "rows_with_fewer_shots": rows.rows_with_fewer_shots,
        "mean_shots": mean(rows.shots) if rows.shots else 0,
        "own": {key: mean(getattr(levels[name], key) for name in own) for key in keys}
        | {"measures": {name: levels[name].to_json() for name in own}},
        "crossfit": {"measure": crossfit, **levels[crossfit].to_json()},
    }
    if member.subjects is not None:
        result |= subject_results(member.subjects, own[0], rows)
    return result


def level(measure: str, rows: Answered) -> Level:
    """Return a measure's score, and its chance and majority levels."""
    judge = MEASURES[measure]
    return Level(
        score=judge(rows.predictions, rows.answers, rows.inputs),
        chance=chance_level(measure, rows),
        majority=judge(rows.constant, rows.answers, rows.inputs),
    )


def chance_level(measure: str, rows: Answered) -> float:
    """Return the mean score of choosing alike among each row's choices.

    Exact where a measure judges rows one by one; else the mean of seeded draws.
    """
    if measure in _ROW_WISE:
        shares = [
            mean(MEASURES[measure]([choice], [answer], [text]) for choice in choices)
            for choices, answer, text in zip(rows.choices, rows.answers, rows.inputs, strict=True)
        ]
        return mean(shares)
    generator = random.Random(GUESS_SEED)
    num_draws = min(MAX_DRAWS, max(MIN_DRAWS, GUESSED_ROWS // len(rows.answers)))
    return mean(
        MEASURES[measure](
            [generator.choice(choices) for choices in rows.choices], rows.answers, rows.inputs
        )
        for _ in range(num_draws)
    )


def subject_results(
    subjects: Mapping[str, tuple[str, ...]], measure: str, rows: Answered
) -> dict[str, Any]:
    """Return the score of each subject and group, and the mean over subjects.

    A group's score is over its rows, so that larger subjects count more.

    Raises:
        GymError: An input does not begin with a subject of the suite.
    """
    group_of = {subject: group for group, names in subjects.items() for subject in names}
    positions: dict[str, list[int]] = {subject: [] for subject in group_of}
    for i, text in enumerate(rows.inputs):
        subject = subject_of(text)
        if subject not in positions:
            raise GymError(
                f"an input must begin with one of {len(group_of)} subjects and a colon, got "
                f"{text[:60]!r}.{nearest(subject, positions)} Correct the suite's subjects."
            )
        positions[subject].append(i)

    def result(chosen: list[int]) -> dict[str, float]:
        part = _part(rows, chosen)
        fewer = {"rows_with_fewer_shots": part.rows_with_fewer_shots} if part.shots else {}
        return {"num_rows": len(chosen), **fewer, **level(measure, part).to_json()}

    present = {subject: result(chosen) for subject, chosen in positions.items() if chosen}
    return {
        "subjects": present,
        "absent_subjects": [subject for subject in positions if subject not in present],
        "groups": {
            group: result([i for subject in names for i in positions[subject]])
            for group, names in subjects.items()
            if any(subject in present for subject in names)
        },
        "subject_mean": mean(float(value["score"]) for value in present.values()),
    }


def _part(rows: Answered, chosen: Sequence[int]) -> Answered:
    def pick(values: Sequence[Any]) -> list[Any]:
        return [values[i] for i in chosen]

    return Answered(
        metric=rows.metric,
        status=rows.status,
        inputs=pick(rows.inputs),
        answers=pick(rows.answers),
        predictions=pick(rows.predictions),
        constant=pick(rows.constant),
        choices=pick(rows.choices),
        truncated_rows=rows.truncated_rows,
        context_shots=rows.context_shots,
        shots=pick(rows.shots) if rows.shots else (),
    )
