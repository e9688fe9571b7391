"""References: what a user of PEFT gets on the same rows, with the same steps and sweep.

A reference is no method of the table: a sequence classifier has no options, so it learns the
classification targets alone. This module says what a reference is and what is recorded of it;
`reference_training.py` trains it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dpf_core.config import TrainConfig
from dpf_core.errors import ConfigError
from dpf_core.files import write_json
from dpf_core.gym.terms import CLASSIFICATION
from pipeline.peft_classifier import peft_version
from pipeline.science.environment import Environment
from pipeline.science.keys import Json, digest, shared_setup
from pipeline.science.layout import Layout
from pipeline.science.records import Cells, damaged, read_cells, read_record
from pipeline.science.settings import ScienceSettings, check_choice
from pipeline.science.status import CheckedRows
from pipeline.science.tuning import mean_dev_score

PROMPT_TUNING, MPT = "peft_prompt_tuning", "peft_mpt"
REFERENCES = {
    PROMPT_TUNING: "PEFT's prompt tuning with a linear classifier, by the Trainer.",
    MPT: "PEFT's multitask prompt tuning: first on the sources, then from their mean.",
}
"""By name, in words."""
LEARNING_RATES = (0.001, 0.003, 0.01, 0.03)
"""The sweep: of prompt and classifier together, as many points as our baseline has."""
SOURCE_LEARNING_RATE = 0.01
"""At which a reference learns the sources, the third of its sweep; it is not tuned."""
_OF_TARGETS = ("max_steps", "batch_size", "eval_every_steps", "patience")
_OF_SOURCES = (*_OF_TARGETS, "seed", "max_train_rows", "dev_rows", "sampling_temperature")


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What settings and rows do not say."""

    environment: Environment
    peft: str

    @classmethod
    def here(cls, environment: Environment) -> "Machine":
        """Return that of this process.

        Raises:
            ConfigError: PEFT is not installed.
        """
        return cls(environment=environment, peft=peft_version())

    @classmethod
    def of(cls, setup: Mapping[str, Any]) -> "Machine":
        """Return that on which recorded cells were made."""
        return cls(environment=Environment.of(setup), peft=setup["peft"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """One reference under settings, rows and a machine."""

    name: str
    settings: ScienceSettings
    rows: CheckedRows
    machine: Machine

    def __post_init__(self) -> None:
        """Check the name."""
        check_choice(self.name, REFERENCES, "a reference")

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets that it can learn."""
        return self._classified(self.settings.gym.targets)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The targets that it cannot learn."""
        return tuple(name for name in self.settings.gym.targets if name not in self.targets)

    @property
    def sources(self) -> tuple[str, ...]:
        """The source tasks that it learns from, none for prompt tuning."""
        return self._classified(self.settings.gym.sources) if self.name == MPT else ()

    @property
    def tuning_targets(self) -> tuple[str, ...]:
        """The targets on whose dev rows its points are compared.

        Raises:
            ConfigError: It can learn none of them.
        """
        found = self._classified(self.settings.tuning.targets)
        if not found:
            raise ConfigError(
                f"tuning.targets must hold a {CLASSIFICATION} task to tune a reference on, got "
                f"{', '.join(self.settings.tuning.targets)}. Add one."
            )
        return found

    @property
    def source_train(self) -> TrainConfig:
        """How our sources are trained, of which it takes what it has a use for."""
        every = list(self.settings.sources.values())
        return next((s for s in every if s.model.method == "mpt"), every[0]).train

    @property
    def source_key(self) -> str | None:
        """Of what it learned from the sources, None where it learns nothing of them."""
        if not self.sources:
            return None
        rows = {task: self.rows.sources[task] for task in self.sources}
        return digest([self._shared(), self._source_question(), rows])

    def setup(self, point: int) -> Json:
        """Return all that shapes its cells but their rows and seeds."""
        train = self._baseline.sweep[0].train
        source = None
        if self.sources:
            source = {"key": self.source_key, "settings": self._source_question()}
        return {
            **self._shared(),
            "train": {
                "learning_rate": LEARNING_RATES[point],
                **{name: getattr(train, name) for name in _OF_TARGETS},
            },
            "source": source,
            "num_resamples": self.settings.gain.num_resamples,
        }

    def data(self, target: str, seed: int) -> str:
        """Return the key of a target's rows."""
        return self.rows.data[target, seed]

    @property
    def _baseline(self) -> Any:
        return self.settings.methods[self.settings.gain.baseline]

    def _classified(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if self.rows.kinds[name] == CLASSIFICATION)

    def _shared(self) -> Json:
        return {
            **shared_setup(self.settings, self.machine.environment),
            "reference": self.name,
            "peft": self.machine.peft,
            "transformers": self.machine.environment.transformers,
            "prompt_length": self._baseline.model.prompt_length,
        }

    def _source_question(self) -> Json:
        train = self.source_train
        values = {name: getattr(train, name) for name in _OF_SOURCES}
        return {
            "train": {"learning_rate": SOURCE_LEARNING_RATE, **values},
            "tasks": list(self.sources),
        }


class ReferenceSweep:
    """The record of a reference's sweep; one of another question counts as none.

    Args:
        reference: Whose points are compared.
        layout: Where the record lies.

    Raises:
        ConfigError: The record is damaged, or no tuning target can be learned.
    """

    def __init__(self, reference: Reference, layout: Layout) -> None:
        self.path, self.reference = layout.reference_sweep(reference.name), reference
        self.targets, self.seed = reference.tuning_targets, reference.settings.tuning.seed
        self.question: Json = {
            "setups": [reference.setup(point) for point in range(len(LEARNING_RATES))],
            "seed": self.seed,
            "data": {target: reference.data(target, self.seed) for target in self.targets},
        }
        self.outcomes: list[dict[str, Json]] = [{} for _ in LEARNING_RATES]
        self.source: Json | None = None
        """Dev score and SHA-256 of what it learned from the sources, None until that is known."""
        record = read_record(self.path)
        try:
            if record is not None and record["question"] == self.question:
                self.outcomes = [dict(point["targets"]) for point in record["points"]]
                self.source = record.get("source")
            self.means = [self._mean(outcomes) for outcomes in self.outcomes]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(damaged(self.path, error)) from error

    @property
    def chosen(self) -> int | None:
        """The point with the best mean dev score, None until each has been tried."""
        done = [mean for mean in self.means if mean is not None]
        return self.means.index(max(done)) if len(done) == len(LEARNING_RATES) else None

    @property
    def missing(self) -> list[tuple[int, str]]:
        """Points and targets that were not tried."""
        return [
            (point, target)
            for point, outcomes in enumerate(self.outcomes)
            for target in self.targets
            if target not in outcomes
        ]

    def add(self, point: int, target: str, outcome: Json) -> None:
        """Record a result.

        Raises:
            OSError: The file cannot be written.
        """
        self.outcomes[point][target] = outcome
        self.means[point] = self._mean(self.outcomes[point])
        self._write()

    def start_from(self, source: Json) -> None:
        """Record what the sources taught, its `sha256` and more, or compare it with the record.

        Raises:
            ConfigError: What is recorded was made from another one.
            OSError: The file cannot be written.
        """
        if self.source is None:
            self.source = source
            self._write()
        elif self.source["sha256"] != source["sha256"]:
            raise ConfigError(
                f"what a reference learned from the sources must have the recorded SHA-256 "
                f"{self.source['sha256']}, got {source['sha256']} ({self.path}): its cells would "
                "be of two models. Train it again in the recorded way (README, 'The same bytes'), "
                "or remove that record and the reference's cells."
            )

    def _write(self) -> None:
        points = [
            {"learning_rate": rate, "targets": outcomes, "mean_dev_score": mean}
            for rate, outcomes, mean in zip(LEARNING_RATES, self.outcomes, self.means, strict=True)
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        record = {"reference": self.reference.name, "question": self.question, "points": points}
        source = {} if self.source is None else {"source": self.source}
        write_json(self.path, {**record, **source, "chosen": self.chosen})

    def _mean(self, outcomes: Mapping[str, Json]) -> float | None:
        if outcomes.keys() != set(self.targets):
            return None
        return mean_dev_score(outcomes)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """What is recorded of a reference, and follows from settings and checked rows."""

    reference: Reference
    setup: Json
    learning_rate: float
    cells: Cells


def recorded(
    name: str, settings: ScienceSettings, rows: CheckedRows, layout: Layout
) -> Recorded | None:
    """Return a reference's cells that are current, wherever they were made; None without any.

    Raises:
        ConfigError: A record is damaged.
    """
    path = layout.reference(name)
    found = read_cells(path)
    if found is None:
        return None
    try:
        machine = Machine.of(found.setup)
        rate = found.setup["train"]["learning_rate"]
    except (KeyError, TypeError) as error:
        raise ConfigError(damaged(path, error)) from error
    reference = Reference(name=name, settings=settings, rows=rows, machine=machine)
    point = ReferenceSweep(reference, layout).chosen
    is_current = point is not None and found.setup == reference.setup(point)
    cells = {
        place: cell
        for place, cell in (found.cells.items() if is_current else ())
        if place[0] in reference.targets and cell.data == rows.data.get(place)
    }
    return Recorded(reference=reference, setup=found.setup, learning_rate=rate, cells=cells)


def about(found: Recorded) -> Json:
    """Return what the table says of a reference besides its figures, as JSON values."""
    machine = found.reference.machine
    return {
        "peft": machine.peft,
        **asdict(machine.environment),
        "left_out": list(found.reference.left_out),
    }
