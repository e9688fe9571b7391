"""The settings of the science; `settings_file.py` reads them from its params.yaml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpf_core.adaptation import AdaptConfig
from dpf_core.config import BackboneConfig, ModelConfig, TrainConfig
from dpf_core.config_reading import to_mapping
from dpf_core.errors import ConfigError
from dpf_core.naming import nearest

PARAMS = Path("pipeline/science/params.yaml")
_NAME = re.compile(r"[a-z0-9_]+")

WITHOUT_USE = (
    "seed", "max_train_rows", "dev_rows", "sampling_temperature", "loss_balancing",
    "fixed_weight_power", "restoring_force", "task_weight_learning_rate", "initial_loss_rows",
    "checkpoint_every_steps", "log_every_steps",
)  # fmt: skip
"""Settings of a training that adapting to one task leaves as they are; the seed is the cell's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeSettings:
    """What a process runs on; part of every key, because fp32 sums depend on it."""

    num_threads: int
    device: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GymSettings:
    """The tasks, and what counts as a leak between them."""

    targets: tuple[str, ...]
    """Tasks that are adapted to and scored."""
    sources: tuple[str, ...]
    """Tasks that source models are trained on."""
    seeds: tuple[int, ...]
    """CrossFit's few-shot seeds; one cell of the table each."""
    min_similarity: float
    """Share of a row's word trigrams that make a near copy, see `dpf_core.gym.leaks`."""
    max_leak_fraction: float
    """Share of a target's test or few-shot rows that a source may hold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherSettings:
    """Whose logits a source model learns to follow besides the labels."""

    source: str
    """Another source model, of the method single_task."""
    weight: float
    """Of the divergence from its logits, > 0, see `dpf_core.distillation`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceSettings:
    """A model that is trained on all source tasks."""

    model: ModelConfig
    train: TrainConfig
    teacher: TeacherSettings | None
    """Null for none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepPoint:
    """One way to train a method on a target."""

    values: Mapping[str, Any]
    """As params.yaml has it."""
    train: TrainConfig
    """Its seed is not used: a cell has its own."""
    adapt: AdaptConfig

    @property
    def result_changing(self) -> dict[str, Any]:
        """The settings of the training that can change a result, by name."""
        every = to_mapping(self.train)
        useless = {*WITHOUT_USE, *(name for name in every if name.endswith("_rate"))}
        return {
            name: value for name, value in every.items() if name not in useless - {*self.values}
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodSettings:
    """A row of the table: how a target is learned."""

    source: str | None
    """Source model that it starts from; null for none."""
    retrieves: bool
    """Train a prompt first to find the source task whose prompt is nearest, and start from it."""
    model: ModelConfig
    sweep: tuple[SweepPoint, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TuningSettings:
    """On what the points of a sweep are compared: dev rows alone."""

    targets: tuple[str, ...]
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GainSettings:
    """How Prompt Transfer Gain is computed, see `transfer_gain.py`."""

    baseline: str
    """Method whose scores divide."""
    challenger: str
    """Method that is compared with every other one too."""
    floor: float
    """Least mean score of the baseline that divides, > 0."""
    num_resamples: int
    """Bootstrap resamples of a target's test rows, the same for every method."""
    num_draws: int
    """Bootstrap draws of tasks and seeds."""
    draw_seed: int
    """Of those draws, >= 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScienceSettings:
    """All of it."""

    runtime: RuntimeSettings
    gym: GymSettings
    backbone: BackboneConfig
    sources: Mapping[str, SourceSettings]
    methods: Mapping[str, MethodSettings]
    tuning: TuningSettings
    gain: GainSettings

    def method(self, name: str) -> MethodSettings:
        """Return a method.

        Raises:
            ConfigError: There is none of that name.
        """
        check_choice(name, self.methods, "a method")
        return self.methods[name]


def is_name(text: str) -> bool:
    """Return whether a file or folder of records can be named so."""
    return _NAME.fullmatch(text) is not None


def check_choice(name: Any, choices: Any, what: str) -> None:
    """Return if a name is one of the choices.

    Raises:
        ConfigError: It is not; the sentence begins with `what`.
    """
    if name not in choices:
        raise ConfigError(
            f"{what} must be one of {', '.join(map(str, choices))}, got {name!r}."
            f"{nearest(str(name), map(str, choices))} Correct it."
        )
