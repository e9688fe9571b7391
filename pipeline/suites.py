"""One suite scored: gym and pool in, the suite's scores out."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dpf_core.backbone.families import SERVED_KINDS, Kind, family_of
from dpf_core.backbone.loading import load_backbone
from dpf_core.config import EvaluateConfig, RuntimeConfig
from dpf_core.errors import ConfigError
from dpf_core.evaluation.per_task import constant_answers, predict
from dpf_core.evaluation.suites.context_shots import choose_shots, with_shots
from dpf_core.evaluation.suites.scoring import Answered, suite_result
from dpf_core.evaluation.suites.suite import Member, Suite
from dpf_core.examples import TaskExamples, encode_rows, most_frequent_answer
from dpf_core.gym.reader import Row, TaskRecord, load_manifest, read_split
from dpf_core.heads import HeadSpec
from dpf_core.model import DPFModel
from dpf_core.pool_io import backbone_config, load_pool, read_pool_config
from dpf_core.training.determinism import make_deterministic
from pipeline.evaluating import matching_record, scored_rows


@dataclass(frozen=True, slots=True)
class Scored:
    """The result of a suite as JSON values, and what is not part of it."""

    result: dict[str, Any]
    seconds: float
    """Wall time of reading, predicting and scoring, without loading the model."""


def run_suite(
    suite: Suite,
    *,
    gym: Path,
    pool: Path,
    runtime: RuntimeConfig,
    config: EvaluateConfig,
    context_shots: int = 0,
) -> Scored:
    """Score a pool on the tasks of a suite that the pool and the gym have.

    Args:
        suite: What to score.
        gym: A built gym.
        pool: A pool that was trained on the suite's tasks, or some of them.
        runtime: Threads.
        config: How many test rows.
        context_shots: Solved rows to put before each row, which needs a decoder; see
            dpf_core/evaluation/suites/context_shots.py.

    Raises:
        ConfigError: Shots in the context were asked of a backbone that is no decoder, or more than
            a task has training rows; or the pool and the gym share no task of the suite.
        DPFError: The gym, the pool or its backbone is wrong.
    """
    pool_config = read_pool_config(pool)
    kind = family_of(pool_config["backbone"]["model_type"], str(pool)).kind
    refuse_context_shots(context_shots, kind, pool_config["backbone"]["model_type"])
    records = {record.name: record for record in load_manifest(gym).tasks}
    absent = absent_members(suite, records, [task["name"] for task in pool_config["tasks"]], kind)
    present = [member for member in suite.members if member.task not in absent]
    if not present:
        raise ConfigError(
            f"the pool and the gym must share a task of suite {suite.name!r}, got none of "
            f"{', '.join(absent)} ({pool}, {gym}). Build a gym with tasks of the suite and train a "
            "pool on it."
        )
    make_deterministic(num_threads=runtime.num_threads, seed=config.sample_seed)
    shots = {
        member.task: task_shots(gym, records[member.task], member, config, context_shots)
        for member in present
        if context_shots
    }
    model = load_pool(pool, load_backbone(backbone_config(pool_config), device=runtime.device))
    start = time.perf_counter()
    answered = {
        member.task: answer(
            model,
            gym,
            records,
            member.task,
            config,
            context_shots=context_shots,
            shots=shots.get(member.task, ()),
        )
        for member in tqdm(present, desc=suite.name, unit="task", disable=None)
    }
    result = suite_result(suite, answered, absent)
    result |= {
        "context_shots": context_shots,
        "max_test_rows": config.max_test_rows,
        "method": model.config.method,
        "backbone": pool_config["backbone"]["name"],
        "sources": _sources(suite, [task.name for task in model.tasks]),
    }
    return Scored(result, time.perf_counter() - start)


def refuse_context_shots(shots: int, kind: Kind, model_type: str) -> None:
    """Refuse solved rows in the context of a backbone that cannot read them.

    Raises:
        ConfigError: There are any, and the backbone is no decoder; or the number is negative.
    """
    if shots < 0:
        raise ConfigError(
            f"the shots in the context must be >= 0, got {shots} (--context-shots). Correct it."
        )
    if shots and kind != "decoder":
        raise ConfigError(
            f"the shots in the context must be 0 for an encoder or encoder-decoder, got {shots} "
            f"(the pool's backbone is of type {model_type!r}). It reads one row at a time and "
            "continues no text, so solved rows before it would only dilute what it reads; its "
            "prompt is adapted on them instead. Leave --context-shots out."
        )


def absent_members(
    suite: Suite, records: Mapping[str, TaskRecord], trained: Sequence[str], kind: Kind
) -> dict[str, str]:
    """Return the reason for each task of the suite that cannot be scored."""
    absent = {}
    for name in (member.task for member in suite.members):
        if name not in records:
            absent[name] = "the gym does not have it"
        elif records[name].kind not in SERVED_KINDS[kind]:
            absent[name] = "its answers are free text, which an encoder cannot write"
        elif name not in trained:
            absent[name] = "the pool was not trained on it"
    return absent


def task_shots(
    gym: Path, record: TaskRecord, member: Member, config: EvaluateConfig, count: int
) -> list[list[Row]]:
    """Return the solved rows of a task's training file that stand before each scored row.

    Raises:
        ConfigError: There are too few.
        GymError: A file is damaged.
    """
    solved = read_split(gym, record, "full_train")
    return choose_shots(scored_rows(gym, record, config), solved, member, count)


def answer(
    model: DPFModel,
    gym: Path,
    records: Mapping[str, TaskRecord],
    name: str,
    config: EvaluateConfig,
    *,
    context_shots: int = 0,
    shots: Sequence[Sequence[Row]] = (),
) -> Answered:
    """Return a task's test rows with the model's predictions.

    Args:
        model: Trained on the task.
        gym: Has the task.
        records: The gym's tasks by name.
        name: The task.
        config: How many test rows.
        context_shots: Solved rows that were asked for before each row.
        shots: Those of each row; empty where none were asked for.

    Raises:
        CheckpointError: The gym's task has other labels than the pool's.
        ConfigError: No row has room for a shot.
        GymError: A file is damaged.
    """
    task_id = model.task_id(name)
    spec = model.tasks[task_id]
    record = matching_record(records, spec, gym)
    rows = scored_rows(gym, record, config)
    examples = encode_rows(rows, spec, task_id, model.backbone)
    counts: list[int] = []
    if shots:
        examples, counts = with_shots(examples, rows, shots, spec, model.backbone)
        if not any(counts):
            raise ConfigError(
                f"the shots in the context must find room before some row of task {name!r}, got "
                f"{context_shots} (--context-shots) and none fits: the pool was trained with "
                f"backbone.max_length {model.backbone.config.max_length}. Train it with a larger "
                "one, or ask for no shots."
            )
    majority = most_frequent_answer(read_split(gym, record, "full_train"), spec)
    return Answered(
        metric=record.metric,
        status=record.status,
        inputs=[row.input for row in rows],
        answers=[row.answers for row in rows],
        predictions=predict(model, examples),
        constant=constant_answers(model, examples, majority),
        choices=_choices(examples, spec),
        truncated_rows=examples.num_truncated,
        context_shots=context_shots,
        shots=counts,
    )


def _choices(examples: TaskExamples, spec: HeadSpec) -> Sequence[Sequence[str]]:
    """Return what each row can be answered with by chance; of free text that is nothing at all."""
    if examples.references is not None:
        return [("",)] * len(examples)
    return examples.candidates or [spec.labels] * len(examples)


def _sources(suite: Suite, trained: Sequence[str]) -> dict[str, list[str]] | None:
    """Return which source tasks of a partition the pool has learnt from."""
    if not suite.sources:
        return None
    return {
        "trained": [name for name in suite.sources if name in trained],
        "absent": [name for name in suite.sources if name not in trained],
    }
