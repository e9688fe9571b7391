"""How fast this machine trains and predicts with each way of running one frozen backbone.

Combinations take turns, A B C A B C, so that what else the machine does meets them all. Every one
gets the same examples, and nothing is trained: gradients are computed and dropped. Turns of few
examples come first; they warm up, and find what is too slow to be worth more.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Literal, get_args

import torch

from dpf_core.backbone.families import Family, is_attention_served
from dpf_core.config import Attention, Precision
from dpf_core.errors import ConfigError
from dpf_core.evaluation.per_task import mean_loss
from dpf_core.examples import TaskExamples
from dpf_core.model import DPFModel
from dpf_core.training.step import accumulate_gradients

Ending = Literal["slow", "limit", "memory"]

PILOT_EXAMPLES = 2
"""Examples of a pilot. In bf16 a CPU without AMX needs seconds for each."""
HOPELESS = 3.0
"""A combination is dropped when its best turn takes this many times as long as the best of all. A
single turn drops nothing: the first of a process is slow, and so is one that was interrupted."""
HOPELESS_SECONDS = 1.0
"""Shorter turns drop nothing: they cost little."""
NOISE = 0.05
"""Rates that differ by less are alike; runs of one program differ by several per cent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Combination:
    """One way of running the backbone; each field is a parameter of that name."""

    precision: Precision
    attention: Attention
    batch_tokens: int
    num_threads: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """Models at the start of training that differ in their backbone alone, and what they run."""

    models: Mapping[Precision, DPFModel]
    step: Sequence[tuple[TaskExamples, int]]
    """(task, row) pairs of a training step, tasks mixed."""
    forward: Sequence[TaskExamples]
    """Rows of tasks that are scored one after the other, as an evaluation does."""

    @property
    def forward_rows(self) -> int:
        """Rows of a forward pass."""
        return sum(map(len, self.forward))

    def pilot(self) -> "Workload":
        """Return the few examples of a pilot, without a forward pass."""
        return Workload(models=self.models, step=self.step[:PILOT_EXAMPLES], forward=())


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One turn: a training step, then a forward pass."""

    train_seconds: float
    forward_seconds: float
    losses: tuple[float, ...]
    """Mean losses in nats: of the step's tasks, then of the forward pass's."""

    @property
    def seconds(self) -> float:
        """Of both."""
        return self.train_seconds + self.forward_seconds


@dataclass(kw_only=True, slots=True)
class Measurement:
    """The turns of one combination."""

    combination: Combination
    pilots: list[Run] = field(default_factory=list)
    """First turns, of few examples; two where the first was slow."""
    runs: list[Run] = field(default_factory=list)
    """The turns that count."""
    ended: Ending | None = None
    """Why there are fewer turns than asked for: too slow, out of time, or out of memory."""

    @property
    def turns(self) -> list[Run]:
        """Those that count, or the pilots where there are none yet."""
        return self.runs or self.pilots

    @property
    def spent_seconds(self) -> float:
        """Of all turns."""
        return sum(run.seconds for run in self.pilots + self.runs)

    @property
    def train_seconds(self) -> float:
        """Median of a training step; infinite where none came to its end."""
        return median([run.train_seconds for run in self.runs] or [float("inf")])

    @property
    def forward_seconds(self) -> float:
        """Median of a forward pass; infinite where none came to its end."""
        return median([run.forward_seconds for run in self.runs] or [float("inf")])


def combinations(
    family: Family,
    *,
    precisions: Sequence[Precision],
    batch_tokens: int,
    num_threads: int,
) -> list[Combination]:
    """Return every combination of precision and attention that the family can run with.

    Args:
        family: Of the backbone.
        precisions: To choose from.
        batch_tokens: Padded tokens of a forward pass.
        num_threads: Of torch's operators.
    """
    return [
        Combination(
            precision=precision,
            attention=attention,
            batch_tokens=batch_tokens,
            num_threads=num_threads,
        )
        for precision in precisions
        for attention in get_args(Attention)
        if is_attention_served(attention, family)
    ]


def variations(
    best: Combination, *, batch_tokens: Sequence[int], num_threads: Sequence[int]
) -> list[Combination]:
    """Return the combination first, then with each other size of batches and number of threads."""
    sizes = dict.fromkeys([best.batch_tokens, *batch_tokens])
    threads = dict.fromkeys([best.num_threads, *num_threads])
    return [
        replace(best, batch_tokens=size, num_threads=count) for size in sizes for count in threads
    ]


def run_workload(workload: Workload, combination: Combination) -> Run:
    """Return how long a training step and a forward pass take; the models end as they began.

    Args:
        workload: Has a model of the combination's precision. Its backbone keeps the combination's
            attention and size of batches, and torch the number of threads.
        combination: How to run.
    """
    model = workload.models[combination.precision]
    device = model.backbone.device
    model.backbone.reconfigure(
        attention=combination.attention, batch_tokens=combination.batch_tokens
    )
    torch.set_num_threads(combination.num_threads)
    start = _now(device)
    try:
        step = accumulate_gradients(model, workload.step, torch.ones(len(model.tasks)))
        middle = _now(device)
        scored = [mean_loss(model, examples) for examples in workload.forward]
        end = _now(device)
    finally:
        model.zero_grad(set_to_none=True)
    return Run(
        train_seconds=middle - start,
        forward_seconds=end - middle,
        losses=(*step.losses.tolist(), *scored),
    )


def measure(
    combinations: Sequence[Combination],
    pilot: Callable[[Combination], Run],
    run: Callable[[Combination], Run],
    *,
    repeats: int,
    limit_seconds: float,
    on_turn: Callable[[], object] = lambda: None,
) -> list[Measurement]:
    """Return what was measured of every combination; they take turns.

    Args:
        combinations: In the order of each round.
        pilot: Runs few examples, once or twice before the rounds.
        run: Runs all.
        repeats: Rounds.
        limit_seconds: No turn begins when the turns have taken so long together.
        on_turn: Called `2 + repeats` times for each combination, for a progress bar.
    """
    measurements = [Measurement(combination=combination) for combination in combinations]

    def take_turn(measurement: Measurement, run: Callable[[Combination], Run]) -> None:
        if sum(other.spent_seconds for other in measurements) >= limit_seconds:
            measurement.ended = "limit"
            return
        turns = measurement.pilots if run is pilot else measurement.runs
        try:
            turns.append(run(measurement.combination))
        except torch.OutOfMemoryError:
            measurement.ended = "memory"

    for kind in [pilot, pilot, *[run] * repeats]:
        for measurement in measurements:
            is_slow = _is_slow(measurement, measurements)
            if is_slow and len(measurement.turns) > 1:
                measurement.ended = measurement.ended or "slow"
            is_needed = kind is run or is_slow or not measurement.turns
            if measurement.ended is None and is_needed:
                take_turn(measurement, kind)
            on_turn()
    return measurements


def recommended(measurements: Sequence[Measurement], current: Combination) -> Measurement:
    """Return the one with the fastest training step.

    Where others are as good as that, it is the current one, or else the first of them.

    Args:
        measurements: To choose from.
        current: What is set now.

    Raises:
        ConfigError: No combination came to its end.
    """
    fastest = min(measurement.train_seconds for measurement in measurements)
    if fastest == float("inf"):
        reasons = {"memory": "out of memory", "limit": "out of time", "slow": "too slow"}
        ended = dict.fromkeys(reasons[m.ended] for m in measurements if m.ended is not None)
        raise ConfigError(
            f"at least one combination must run to its end, got {', '.join(ended)}. Raise the time "
            "limit; where memory is short lower backbone.batch_tokens, backbone.max_length or "
            "train.batch_size in params.yaml, or name a smaller backbone."
        )
    alike = [m for m in measurements if m.train_seconds <= fastest * (1 + NOISE)]
    return next((m for m in alike if m.combination == current), alike[0])


def largest_difference(measurement: Measurement, reference: Measurement) -> float | None:
    """Return the largest absolute difference of any of their losses; None if either has no run."""
    if not measurement.runs or not reference.runs:
        return None
    expected = reference.runs[0].losses
    return max(
        abs(found - wanted)
        for run in measurement.runs
        for found, wanted in zip(run.losses, expected, strict=True)
    )


def _is_slow(measurement: Measurement, measurements: Sequence[Measurement]) -> bool:
    """Return whether its best turn is far from the best of all; pilots are compared with pilots."""
    mine = [turn.seconds for turn in measurement.turns]
    comparable = [m.runs if measurement.runs else m.pilots for m in measurements]
    fastest = min((turn.seconds for turns in comparable for turn in turns), default=0.0)
    return min(mine, default=0.0) > max(HOPELESS_SECONDS, HOPELESS * fastest)


def _now(device: torch.device) -> float:
    """Return the time when everything that was asked of the device is done."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter()
