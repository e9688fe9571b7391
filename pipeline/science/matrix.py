"""What the prompt of each source task is worth on each target, and how the tasks share the pool.

A target's head learns beside a source task's frozen prompt; its dev score is compared with that of
a head without any prompt, on the same rows in the same order. No test row is read.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from dpf_core.adaptation import adapt_model
from dpf_core.config import ModelConfig, TrainConfig
from dpf_core.errors import ConfigError
from dpf_core.files import write_json
from dpf_core.front_end import FrontEnd
from pipeline.science.environment import recorded_environment
from pipeline.science.frozen_prompt import dev_score
from pipeline.science.jobs import Place, run_jobs
from pipeline.science.keys import Json, code_hash, data_key, digest, method_setup, source_key
from pipeline.science.layout import Layout
from pipeline.science.lock import alone
from pipeline.science.progress import say, shown
from pipeline.science.records import damaged, read_record
from pipeline.science.running import Done, train_sources
from pipeline.science.settings import ScienceSettings
from pipeline.science.status import checked_origin, checked_rows, recorded_key
from pipeline.science.transfer_gain import comparable
from pipeline.science.tuning import Origin, Sweep
from pipeline.science.worker import Worker


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What of the settings the matrix is made of."""

    prompts: str
    """Source of one prompt a task."""
    pool: str
    """Source whose scheduler is told."""
    heads: str
    """Method without a prompt, whose tuned rate the heads learn with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MatrixJob:
    """A target beside every source task's prompt."""

    name: str
    """Of the source of the prompts."""
    heads: str
    """Of the method without a prompt."""
    point: int
    """Of its sweep."""
    target: str
    seed: int
    key: str

    def run(self, worker: Worker) -> Json:
        """Return the dev scores, in [0, 1], without a prompt and with each.

        Raises:
            DPFError: Rows, settings or the source model are wrong.
        """
        method = worker.settings.method(self.heads)
        config = replace(method.sweep[self.point].train, seed=self.seed)
        prompts, tasks = worker.settings.sources[self.name].model, worker.settings.gym.sources
        return {
            "key": self.key,
            "code": code_hash(),
            "without": self._score(worker, method.model, config, None),
            "with": {
                task: self._score(worker, prompts, config, number)
                for number, task in enumerate(tasks)
            },
        }

    def _score(
        self, worker: Worker, model: ModelConfig, config: TrainConfig, prompt: int | None
    ) -> float:
        worker.seed(self.seed)
        point = worker.settings.method(self.heads).sweep[self.point]
        adapted = adapt_model(
            None if prompt is None else worker.source(self.name),
            worker.backbone,
            worker.spec(self.target),
            model,
            point.adapt,
            torch.Generator().manual_seed(self.seed),
            prompt,
        )
        train, dev = (worker.rows(self.target, split, self.seed) for split in ("train", "dev"))
        return comparable(dev_score(adapted, train, dev, config), adapted.tasks[0].metric)


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerJob:
    """The mixing weights of the source tasks."""

    name: str
    """Of the source."""
    key: str

    def run(self, worker: Worker) -> Json:
        """Return pi [T, K] of the trained pool, equation 1.

        Raises:
            DPFError: The source model is not there, or damaged.
        """
        model = worker.source(self.name)
        assert isinstance(model.front_end, FrontEnd), "a pool, by its settings"
        task_ids = torch.arange(len(model.tasks), device=model.backbone.device)
        with torch.no_grad():
            weights = model.front_end.scheduler(task_ids)
        return {
            "key": self.key,
            "tasks": [task.name for task in model.tasks],
            "mixing_weights": [[round(value, 6) for value in row] for row in weights.tolist()],
        }


def parts_of(settings: ScienceSettings) -> Parts:
    """Return the sources and the method that the matrix is made of, the first of each kind.

    Raises:
        ConfigError: There is none of a kind.
    """
    sources = {name: source for name, source in settings.sources.items() if not source.teacher}
    return Parts(
        prompts=_first(sources, "single_task", "source"),
        pool=_first(sources, "dpf", "source"),
        heads=_first(settings.methods, "heads_only", "method"),
    )


def _first(named: Mapping[str, Any], method: str, what: str) -> str:
    for name, found in named.items():
        if found.model.method == method:
            return name
    raise ConfigError(
        f"params.yaml must name a {what} of the method {method} for the transfer matrix, got "
        f"{', '.join(named)}. Add one."
    )


def run_matrix(place: Place, *, num_processes: int) -> Done:
    """Fill what the matrix lacks; each target is on disk as soon as it is done.

    Args:
        place: Where it runs.
        num_processes: At a time.

    Raises:
        ConfigError: A source or method is missing, the heads have no record of their tuning, or
            there are targets of another setup.
        ProcessError: Another run is under way.
        DPFError: A target or a source model cannot be made; what is done stays done.
    """
    with alone(place.layout):
        parts = parts_of(place.settings)
        jobs, scheduler = matrix_jobs(place, parts), scheduler_job(place, parts)
        record = read_matrix(place.layout) or {"targets": {}, "scheduler": {}}
        rows = record["targets"]
        missing = [job for job in jobs if job.target not in rows]
        done = [job for job in jobs if job.target in rows]
        if stale := [job.target for job in done if rows[job.target]["key"] != job.key]:
            raise ConfigError(
                "recorded targets must be of the settings, rows and machine that new ones are of, "
                f"got {len(stale)} of others, such as {stale[0]} ({place.layout.matrix}). Restore "
                "those, or move the file away."
            )
        is_told = record["scheduler"].get("key") == scheduler.key
        needed = ({parts.prompts} if missing else set()) | (set() if is_told else {parts.pool})
        train_sources(place, needed, num_processes=num_processes)
        kept = {job.target: rows[job.target] for job in done}
        told = record["scheduler"] if is_told else scheduler.run(place.worker())
        _write(place, kept, told)
        with closing(run_jobs(place, missing, num_processes)) as results:
            for job, row in shown(results, len(missing), "matrix", "target"):
                kept[job.target] = row
                _write(place, kept, told)
                say(f"{job.target}: {row['without']:.4f}, best {max(row['with'].values()):.4f}")
        return Done(ran=len(missing), kept=len(jobs) - len(missing))


def read_matrix(layout: Layout) -> Json | None:
    """Return the recorded matrix, None where there is none.

    Raises:
        ConfigError: The file is damaged.
    """
    record = read_record(layout.matrix)
    if record is None:
        return None
    try:
        _ = [
            (row["key"], row["without"] + max(row["with"].values()))
            for row in record["targets"].values()
        ]
        _ = record["scheduler"].get("key"), record["seed"], recorded_environment(record)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(damaged(layout.matrix, error)) from error
    return record


def current_matrix(settings: ScienceSettings, layout: Layout) -> Json | None:
    """Return the recorded matrix without what does not follow from settings and checked rows.

    Raises:
        ConfigError: The file is damaged, or rows were not checked.
    """
    record = read_matrix(layout)
    if record is None:
        return None
    parts, rows = parts_of(settings), checked_rows(settings, layout)
    sweep = Sweep(settings, layout, parts.heads)
    environment = recorded_environment(record)
    weights = environment.backbone_sha256
    if sweep.chosen is None or sweep.origin != checked_origin(
        settings, layout, parts.heads, rows, weights
    ):
        return None
    point = sweep.method.sweep[sweep.chosen]
    heads = method_setup(settings, sweep.method, point, environment, None)
    prompts, pool = (
        recorded_key(read_record(layout.source_record(name)), settings, name, rows)
        for name in (parts.prompts, parts.pool)
    )
    seed = settings.tuning.seed
    keys = {
        target: digest([[heads, prompts], rows.data[target, seed], seed])
        for target in settings.gym.targets
    }
    targets = {
        target: row for target, row in record["targets"].items() if row["key"] == keys.get(target)
    }
    is_whole = bool(targets) and record["scheduler"].get("key") == pool
    return record | {"targets": targets} if is_whole else None


def matrix_jobs(place: Place, parts: Parts) -> list[MatrixJob]:
    """Return a job a target, each under the key of all that shapes it.

    Raises:
        ConfigError: The heads have no record of their tuning on these rows.
    """
    settings, environment = place.settings, place.environment
    origin = Origin.of(settings, environment, place.gym, None)
    point = Sweep(settings, place.layout, parts.heads).require(origin)
    method, seed = settings.method(parts.heads), settings.tuning.seed
    setup = [
        method_setup(settings, method, method.sweep[point], environment, None),
        source_key(settings, parts.prompts, environment, place.gym),
    ]
    return [
        MatrixJob(
            name=parts.prompts,
            heads=parts.heads,
            point=point,
            target=target,
            seed=seed,
            key=digest([setup, data_key(place.gym, target, seed), seed]),
        )
        for target in settings.gym.targets
    ]


def scheduler_job(place: Place, parts: Parts) -> SchedulerJob:
    """Return the job that tells how the source tasks mix the pool."""
    key = source_key(place.settings, parts.pool, place.environment, place.gym)
    return SchedulerJob(name=parts.pool, key=key)


def _write(place: Place, rows: Mapping[str, Json], scheduler: Json) -> None:
    order = [target for target in place.settings.gym.targets if target in rows]
    place.layout.matrix.parent.mkdir(parents=True, exist_ok=True)
    write_json(
        place.layout.matrix,
        {
            "seed": place.settings.tuning.seed,
            "environment": asdict(place.environment),
            "sources": list(place.settings.gym.sources),
            "targets": {target: rows[target] for target in order},
            "scheduler": scheduler,
        },
    )
