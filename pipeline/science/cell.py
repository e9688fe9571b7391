"""One cell: a method adapts to one target's few-shot rows and is scored once on its test file.

The best step is chosen on the few-shot dev rows; test rows are read after training alone.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from dpf_core.adaptation import adapt_model, most_similar_prompt
from dpf_core.baselines import TaskPrompts
from dpf_core.evaluation.metrics import score
from dpf_core.evaluation.per_task import predict, right_answers
from dpf_core.model import DPFModel
from dpf_core.training.loop import TrainResult, train
from pipeline.science.keys import Json, cell_key, code_hash, data_key
from pipeline.science.records import RESAMPLE_UNIT, Cell
from pipeline.science.resampling import resampled_rows, resampled_scores
from pipeline.science.settings import MethodSettings, SweepPoint
from pipeline.science.worker import Worker


@dataclass(frozen=True, kw_only=True, slots=True)
class CellJob:
    """A cell to run."""

    name: str
    """Of the method."""
    point: int
    """Of the method's sweep."""
    target: str
    seed: int
    setup: Json
    """What it is recorded under."""

    def run(self, worker: Worker) -> Cell:
        """Return one cell of the table.

        Raises:
            DPFError: Rows, settings or the source model are wrong.
        """
        started = time.perf_counter()
        method = worker.settings.method(self.name)
        model, result = adapt(worker, method, method.sweep[self.point], self.target, self.seed)
        learned = Learned(
            dev_score=result.best_dev_score,
            best_step=result.best_step,
            steps=result.num_steps,
            num_trainable=model.num_trainable,
            started=started,
            ended=time.perf_counter(),
        )
        test = worker.rows(self.target, "test", self.seed)
        return scored_cell(
            self,
            data_key(worker.gym, self.target, self.seed),
            learned,
            Answers(
                metric=model.tasks[0].metric,
                given=predict(model, test),
                right=right_answers(model, test),
            ),
            num_resamples=worker.settings.gain.num_resamples,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """What came out of learning a target."""

    dev_score: float
    best_step: int
    steps: int
    num_trainable: int
    started: float
    """By `time.perf_counter`, as `ended`."""
    ended: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What was answered to the test rows."""

    metric: str
    given: list[str]
    right: Sequence[str | tuple[str, ...]]


class AnyCellJob(Protocol):
    """A job that makes a cell."""

    @property
    def target(self) -> str:
        """Its task."""

    @property
    def seed(self) -> int:
        """Of its few-shot rows."""

    @property
    def setup(self) -> Json:
        """What it is recorded under."""


def scored_cell(
    job: AnyCellJob, data: str, learned: Learned, answers: Answers, *, num_resamples: int
) -> Cell:
    """Return the cell of a job that has learned its target and answered the test rows.

    Args:
        job: Of it.
        data: Key of its rows.
        learned: How it learned.
        answers: To the whole test file.
        num_resamples: Of the test rows.
    """
    drawn = resampled_rows(job.target, len(answers.given), num_resamples)
    resamples = resampled_scores(answers.metric, answers.given, answers.right, drawn)
    return Cell(
        key=cell_key(job.setup, data, job.seed),
        data=data,
        score=score(answers.metric, answers.given, answers.right),
        dev_score=learned.dev_score,
        best_step=learned.best_step,
        steps=learned.steps,
        num_trainable=learned.num_trainable,
        adapt_seconds=round(learned.ended - learned.started, 2),
        seconds=round(time.perf_counter() - learned.started, 2),
        code=code_hash(),
        resamples=tuple(round(value / RESAMPLE_UNIT) for value in resamples),
    )


def adapt(
    worker: Worker, method: MethodSettings, point: SweepPoint, target: str, seed: int
) -> tuple[DPFModel, TrainResult]:
    """Return a model adapted to a target's few-shot rows, at its best dev score.

    Raises:
        DPFError: Rows, settings or the source model are wrong.
    """
    worker.seed(seed)
    found = _retrieved(worker, method, point, target, seed) if method.retrieves else None
    model = _start(worker, method, point, target, seed, found)
    return model, _train(worker, model, point, target, seed)


def _retrieved(
    worker: Worker, method: MethodSettings, point: SweepPoint, target: str, seed: int
) -> int:
    """Return the id of the source task whose prompt is nearest to one trained on the target.

    That prompt starts as the source's did, so that what training did to each can be compared.
    """
    assert method.source is not None, "checked when the settings were read"
    start = worker.settings.sources[method.source].train.seed
    probe = _start(worker, replace(method, source=None), point, target, start, None)
    _train(worker, probe, point, target, seed)
    worker.seed(seed)
    assert isinstance(probe.front_end, TaskPrompts), "checked when the settings were read"
    return most_similar_prompt(worker.source(method.source), probe.front_end.prompts[0])


def _start(
    worker: Worker,
    method: MethodSettings,
    point: SweepPoint,
    target: str,
    seed: int,
    source_prompt: int | None,
) -> DPFModel:
    return adapt_model(
        None if method.source is None else worker.source(method.source),
        worker.backbone,
        worker.spec(target),
        method.model,
        point.adapt,
        torch.Generator().manual_seed(seed),
        source_prompt,
    )


def _train(
    worker: Worker, model: DPFModel, point: SweepPoint, target: str, seed: int
) -> TrainResult:
    train_rows, dev_rows = (worker.rows(target, split, seed) for split in ("train", "dev"))
    return train(model, [train_rows], [dev_rows], replace(point.train, seed=seed))
