"""Training a reference: PEFT's classifier on a target's few-shot rows, at its best dev score.

Test rows are read after training alone, as in `cell.py`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from dpf_core.backbone.files import resolve_directory
from dpf_core.evaluation.metrics import score
from dpf_core.examples import label_ids, split_training_rows
from dpf_core.gym.reader import Row
from dpf_core.heads import HeadSpec
from dpf_core.training.mixing import mixing_table
from pipeline.peft_classifier import PeftClassifier
from pipeline.science.cell import Answers, Learned, scored_cell
from pipeline.science.keys import Json
from pipeline.science.reference_config import peft_config
from pipeline.science.references import MPT
from pipeline.science.worker import Worker

_SCORED_ROWS = 64
"""Rows of a forward pass without a backward one."""
_TENSORS = ("prefix_task_cols", "prefix_task_rows")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceTuningJob:
    """One point of a reference's sweep on one target."""

    name: str
    point: int
    target: str
    seed: int
    setup: Json
    source: Path | None
    """What it learned from the sources, None for nothing."""

    def run(self, worker: Worker) -> Json:
        """Return the dev score, and how it came about.

        Raises:
            DPFError: Rows are wrong.
        """
        started = time.perf_counter()
        _, fitted = _adapt(worker, self)
        return {
            "metric": worker.spec(self.target).metric,
            "dev_score": fitted.dev_score,
            "best_step": fitted.best_step,
            "steps": fitted.steps,
            "seconds": round(time.perf_counter() - started, 2),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceJob(ReferenceTuningJob):
    """A cell of a reference."""

    data: str
    """Key of its rows."""

    def run(self, worker: Worker) -> Any:
        """Return the `Cell`.

        Raises:
            DPFError: Rows are wrong.
        """
        started = time.perf_counter()
        learner, fitted = _adapt(worker, self)
        learned = Learned(
            dev_score=fitted.dev_score,
            best_step=fitted.best_step,
            steps=fitted.steps,
            num_trainable=sum(t.numel() for t in learner.classifier.trainable.values()),
            started=started,
            ended=time.perf_counter(),
        )
        rows = worker.gym.rows(self.target, "test", self.seed)
        answers = Answers(
            metric=learner.specs[0].metric,
            given=learner.predict(0, rows),
            right=[row.output for row in rows],
        )
        num_resamples = worker.settings.gain.num_resamples
        return scored_cell(self, self.data, learned, answers, num_resamples=num_resamples)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceSourceJob:
    """Multitask prompt tuning on the source tasks."""

    name: str
    setup: Json
    """Of a cell: its part `source` says how."""
    path: Path
    """File that is written."""

    def run(self, worker: Worker) -> Json:
        """Train on the source tasks, write prompt and factors, and return how it went.

        Raises:
            DPFError: Rows are wrong.
            OSError: The file cannot be written.
        """
        started = time.perf_counter()
        question = self.setup["source"]["settings"]
        train = question["train"]
        worker.seed(train["seed"])
        tasks = [worker.gym.task(task) for task in question["tasks"]]
        for task in tasks:
            worker.gym.check_file(task.name, "full_train")
        parts = [
            split_training_rows(
                worker.gym.folder,
                task,
                dev_rows=train["dev_rows"],
                max_train_rows=train["max_train_rows"],
                seed=train["seed"],
            )
            for task in tasks
        ]
        specs = [worker.spec(task.name) for task in tasks]
        learner = _Learner(worker, self, specs, seed=train["seed"])
        fitted = learner.fit(
            train, [part[0] for part in parts], [part[1] for part in parts], train["seed"]
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        staging = self.path.with_suffix(".part")
        save_file(learner.shared_tensors(), staging)
        staging.replace(self.path)
        return {
            "dev_score": fitted.dev_score,
            "best_step": fitted.best_step,
            "seconds": round(time.perf_counter() - started, 2),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fitted:
    best_step: int
    dev_score: float
    """Mean over the tasks."""
    steps: int


class _Learner:
    """PEFT's classifier over the labels of some tasks side by side."""

    def __init__(
        self,
        worker: Worker,
        job: ReferenceTuningJob | ReferenceSourceJob,
        specs: Sequence[HeadSpec],
        *,
        seed: int,
    ) -> None:
        self.specs, self.settings, self.is_mpt = specs, worker.settings, job.name == MPT
        sizes = [len(spec.labels) for spec in specs]
        self.offsets = [sum(sizes[:i]) for i in range(len(sizes))]
        source = job.source if isinstance(job, ReferenceTuningJob) else None
        self.classifier = PeftClassifier(
            resolve_directory(worker.settings.backbone),
            sum(sizes),
            peft_config(job.name, job.setup, source, len(specs)),
            max_length=worker.settings.backbone.max_length,
            seed=seed,
        )

    def fit(
        self,
        train: Mapping[str, Any],
        train_rows: Sequence[Sequence[Row]],
        dev_rows: Sequence[Sequence[Row]],
        seed: int,
    ) -> _Fitted:
        """Train on each task's rows and stay at the best dev score; batches are those of ours."""
        table = mixing_table(
            [len(rows) for rows in train_rows],
            num_steps=train["max_steps"],
            batch_size=train["batch_size"],
            sampling_temperature=train.get("sampling_temperature", 1.0),
            seed=seed,
        )
        known = [self._examples(task, rows) for task, rows in enumerate(train_rows)]
        best = _Best(self.classifier, train, lambda: self._dev_score(dev_rows))
        self.classifier.train(
            [known[task][row] for task, row in table.reshape(-1, 2)],
            best.on_step,
            device=self.settings.runtime.device,
            per_device_train_batch_size=train["batch_size"],
            max_steps=train["max_steps"],
            learning_rate=train["learning_rate"],
            bf16=self.settings.backbone.precision == "bf16",
        )
        return best.restore()

    def predict(self, task: int, rows: Sequence[Row]) -> list[str]:
        """Return the most likely label of each row among the task's own."""
        features = [
            {name: value for name, value in example.items() if name != "labels"}
            for example in self._examples(task, rows)
        ]
        labels, first = self.specs[task].labels, self.offsets[task]
        logits = self.classifier.logits(features, _SCORED_ROWS)[:, first : first + len(labels)]
        return [labels[i] for i in logits.argmax(dim=1).tolist()]

    def shared_tensors(self) -> dict[str, torch.Tensor]:
        """Return prompt and factors under the names by which PEFT reads them."""
        encoder = self.classifier.model.prompt_encoder["default"]
        tensors = {name: getattr(encoder, name) for name in _TENSORS}
        tensors["prompt_embeddings"] = encoder.embedding.weight
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def _examples(self, task: int, rows: Sequence[Row]) -> list[dict[str, Any]]:
        ids = label_ids(rows, self.specs[task])
        task_ids = {"task_ids": task} if self.is_mpt else {}
        return [
            {
                "input_ids": self.classifier.token_ids(row.input),
                "labels": self.offsets[task] + label,
                **task_ids,
            }
            for row, label in zip(rows, ids, strict=True)
        ]

    def _dev_score(self, dev_rows: Sequence[Sequence[Row]]) -> float:
        scores = [
            score(spec.metric, self.predict(task, rows), [row.output for row in rows])
            for task, (spec, rows) in enumerate(zip(self.specs, dev_rows, strict=True))
        ]
        return sum(scores) / len(scores)


class _Best:
    """The best of the steps at which dev rows are scored, as our training loop keeps it."""

    def __init__(
        self, classifier: PeftClassifier, train: Mapping[str, Any], measure: Callable[[], float]
    ) -> None:
        self.classifier, self.train, self.measure = classifier, train, measure
        self.tensors: dict[str, torch.Tensor] = {}
        self.step, self.best_step, self.best = 0, 0, -float("inf")

    def on_step(self, step: int) -> bool:
        """Score the dev rows when it is time; return whether patience has ended."""
        every, last = self.train["eval_every_steps"], self.train["max_steps"]
        self.step = step
        if step == 0 or (step % every and step != last):
            return False
        if (found := self.measure()) > self.best:
            self.best, self.best_step = found, step
            named = self.classifier.trainable
            self.tensors = {name: tensor.detach().clone() for name, tensor in named.items()}
        return bool(step - self.best_step >= self.train["patience"] * every)

    def restore(self) -> _Fitted:
        """Give the classifier its best tensors back."""
        with torch.no_grad():
            for name, tensor in self.classifier.trainable.items():
                tensor.copy_(self.tensors[name])
        return _Fitted(best_step=self.best_step, dev_score=self.best, steps=self.step)


def _adapt(worker: Worker, job: ReferenceTuningJob) -> tuple[_Learner, _Fitted]:
    worker.seed(job.seed)
    train, dev = (worker.gym.rows(job.target, split, job.seed) for split in ("train", "dev"))
    learner = _Learner(worker, job, [worker.spec(job.target)], seed=job.seed)
    return learner, learner.fit(job.setup["train"], [train], [dev], job.seed)
