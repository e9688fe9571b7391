"""A sweep: which point of a method's settings is best on the dev rows of a few targets.

Test files are not read. A record holds every point that was tried; a method is run under the best
one, and refused without a record.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from dpf_core.errors import ConfigError
from dpf_core.evaluation.metrics import METRICS
from dpf_core.files import write_json
from pipeline.science.cell import adapt
from pipeline.science.environment import NOWHERE, Environment
from pipeline.science.keys import Json, cell_key, data_key, method_setup
from pipeline.science.layout import Layout
from pipeline.science.records import damaged, read_record
from pipeline.science.rows import ScienceGym
from pipeline.science.settings import ScienceSettings
from pipeline.science.transfer_gain import comparable
from pipeline.science.worker import Worker


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """What a sweep rests on besides settings; torch may be another one."""

    data: Mapping[str, str]
    """Tuning target -> key of its rows."""
    source: str | None
    """Key of the source model, None for none."""
    weights: str
    """SHA-256 of the backbone."""

    @classmethod
    def of(
        cls,
        settings: ScienceSettings,
        environment: Environment,
        gym: ScienceGym,
        source_key: str | None,
    ) -> "Origin":
        """Return that of a sweep that runs now.

        Raises:
            GymError: A tuning target has no files for the seed.
        """
        targets, seed = settings.tuning.targets, settings.tuning.seed
        return cls(
            data={target: data_key(gym, target, seed) for target in targets},
            source=source_key,
            weights=environment.backbone_sha256,
        )

    def shares(self, other: "Origin | None", target: str) -> bool:
        """Return whether a target's dev scores mean the same under another one."""
        return (
            other is not None
            and (self.source, self.weights) == (other.source, other.weights)
            and self.data.get(target) == other.data.get(target)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TuningJob:
    """One point of a sweep on one target."""

    name: str
    """Of the method."""
    point: int
    target: str
    seed: int
    key: str
    origin: Origin

    def run(self, worker: Worker) -> Json:
        """Return the dev score, and how it came about.

        Raises:
            DPFError: Rows, settings or the source model are wrong.
        """
        started = time.perf_counter()
        method = worker.settings.method(self.name)
        _, result = adapt(worker, method, method.sweep[self.point], self.target, self.seed)
        return {
            "key": self.key,
            "metric": worker.spec(self.target).metric,
            "dev_score": result.best_dev_score,
            "best_step": result.best_step,
            "steps": result.num_steps,
            "seconds": round(time.perf_counter() - started, 2),
        }


class Sweep:
    """The record of one method's sweep, as far as it has come.

    Args:
        settings: Of the science.
        layout: Where the record lies.
        name: Of the method.

    Raises:
        ConfigError: There is no such method, or the record is damaged.
    """

    def __init__(self, settings: ScienceSettings, layout: Layout, name: str) -> None:
        self.settings, self.path, self.name = settings, layout.tuning_record(name), name
        self.method = settings.method(name)
        self.question = _question(settings, name)
        record = read_record(self.path)
        is_current = record is not None and record.get("question") == self.question
        self.record: Json | None = self._checked(record) if record and is_current else None
        self.is_other = record is not None and not is_current
        self._earlier = _outcomes(record) if record is not None and self.is_other else {}

    @property
    def chosen(self) -> int | None:
        """The number of the best point, None until every point has been tried."""
        return None if self.record is None else self.record["chosen"]

    @property
    def origin(self) -> Origin | None:
        """What the recorded outcomes rest on, None without a record."""
        return None if self.record is None else Origin(**self.record["origin"])

    def require(self, origin: Origin | None = None) -> int:
        """Return the number of the best point.

        Args:
            origin: What the sweep must rest on; None where that is not known.

        Raises:
            ConfigError: The method has not been tuned, or under other settings, or on other rows,
                weights or another source model.
        """
        is_strange = origin is not None and self.origin != origin
        if self.chosen is not None and not is_strange:
            return self.chosen
        got = "one of other settings" if self.is_other else "none"
        if self.record is not None:
            strange = "one of other rows, weights or another source model"
            got = strange if is_strange else "an unfinished one"
        raise ConfigError(
            f"a method must have the record of its tuning, got {got} ({self.name}, {self.path}). "
            f"Run: dpf science tune {self.name}."
        )

    def missing(
        self, environment: Environment, gym: ScienceGym, source_key: str | None
    ) -> list[TuningJob]:
        """Return what has not been tried on these rows, on this machine.

        Args:
            environment: Where it runs.
            gym: Its rows.
            source_key: Of the source model.
        """
        tuning, jobs = self.settings.tuning, []
        origin = Origin.of(self.settings, environment, gym, source_key)
        for number, point in enumerate(self.method.sweep):
            setup = method_setup(self.settings, self.method, point, environment, source_key)
            for target in tuning.targets:
                key = cell_key(setup, origin.data[target], tuning.seed)
                if self._tried(number).get(target, {}).get("key") != key:
                    jobs.append(
                        TuningJob(
                            name=self.name,
                            point=number,
                            target=target,
                            seed=tuning.seed,
                            key=key,
                            origin=origin,
                        )
                    )
        return jobs

    def take_over(self, environment: Environment, gym: ScienceGym, source_key: str | None) -> None:
        """Record what a sweep of other points or targets has found under the same keys.

        Args:
            environment: Where it runs.
            gym: Its rows.
            source_key: Of the source model.

        Raises:
            OSError: The file cannot be written.
        """
        missing = self.missing(environment, gym, source_key)
        found = [(job, self._earlier[job.key]) for job in missing if job.key in self._earlier]
        if found:
            self._write(found)

    def add(self, job: TuningJob, outcome: Json) -> None:
        """Record a result; the file is written anew, without what rests on something else.

        Raises:
            OSError: The file cannot be written.
        """
        self._write([(job, outcome)])

    def _write(self, results: Sequence[tuple[TuningJob, Json]]) -> None:
        origin = results[0][0].origin  # of all: written at once, so that a kill loses none
        points = [
            {"values": dict(point.values), "targets": self._kept(number, origin)}
            for number, point in enumerate(self.method.sweep)
        ]
        for job, outcome in results:
            points[job.point]["targets"][job.target] = outcome
        self.record = self._judged(points, origin)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, self.record)

    def _checked(self, record: Json) -> Json:
        """Return a record of this sweep's question if it is one that `add` writes."""
        try:
            origin = Origin(**record["origin"])
            points = [
                {"values": dict(point.values), "targets": dict(tried["targets"])}
                for point, tried in zip(self.method.sweep, record["points"], strict=True)
            ]
            is_whole = self._judged(points, origin) == record and self._is_of_targets(
                origin.data, *(point["targets"] for point in points)
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(damaged(self.path, error)) from error
        if not is_whole:
            reason = ValueError("means or a choice that do not follow from the outcomes")
            raise ConfigError(damaged(self.path, reason))
        return record

    def _is_of_targets(self, data: Mapping[str, str], *points: dict[str, Json]) -> bool:
        targets = set(self.settings.tuning.targets)
        outcomes = [outcome for point in points for outcome in point.values()]
        return (
            data.keys() == targets
            and all(point.keys() <= targets for point in points)
            and all(outcome["key"] and outcome["metric"] in METRICS for outcome in outcomes)
        )

    def _tried(self, point: int) -> dict[str, Json]:
        if self.record is None:
            return {}
        tried: dict[str, Json] = self.record["points"][point]["targets"]
        return tried

    def _kept(self, point: int, origin: Origin) -> dict[str, Json]:
        """Return a point's outcomes that may stand beside one of this origin."""
        return {
            target: outcome
            for target, outcome in self._tried(point).items()
            if origin.shares(self.origin, target)
        }

    def _judged(self, points: list[dict[str, Any]], origin: Origin) -> Json:
        """Return the record with each point's mean, and the best one; of equals the first."""
        for point in points:
            is_whole = len(point["targets"]) == len(self.settings.tuning.targets)
            point["mean_dev_score"] = mean_dev_score(point["targets"]) if is_whole else None
        means = [point["mean_dev_score"] for point in points]
        chosen = None if None in means else means.index(max(means))
        return {
            "method": self.name,
            "question": self.question,
            "origin": asdict(origin),
            "points": points,
            "chosen": chosen,
            "setting": None if chosen is None else points[chosen]["values"],
        }


def _outcomes(record: Json) -> dict[str, Json]:
    """Return what a record of another question holds, by key; nothing of one of another form."""
    try:
        tried = [one for point in record["points"] for one in point["targets"].values()]
        whole = [one for one in tried if one["metric"] in METRICS and isfinite(one["dev_score"])]
        return {str(one["key"]): one for one in whole}
    except (KeyError, TypeError, AttributeError):
        return {}


def mean_dev_score(outcomes: Mapping[str, Json]) -> float:
    """Return the mean over the targets that a point was tried on.

    Correlations are moved to [0, 1] as in the table, or one target would count twice. Scores are
    summed in the order of the file, which sorts its keys, or the mean would be another one when it
    is read again.
    """
    found = [comparable(one["dev_score"], one["metric"]) for _, one in sorted(outcomes.items())]
    return float(sum(found) / len(found))


def _question(settings: ScienceSettings, name: str) -> Json:
    """Return what a sweep asks, whatever machine answers."""
    method = settings.method(name)
    setups = [method_setup(settings, method, point, NOWHERE, None) for point in method.sweep]
    return {**asdict(settings.tuning), "targets": list(settings.tuning.targets), "setups": setups}
