"""One autotune run: gym in, the speed of each combination out; it writes nothing."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from tqdm import tqdm

from dpf_core.assembly import assemble_model
from dpf_core.backbone.frozen import Backbone
from dpf_core.backbone.loading import load_backbone
from dpf_core.config import Precision
from dpf_core.errors import ConfigError
from dpf_core.examples import head_spec
from dpf_core.gym.reader import load_manifest
from dpf_core.model import DPFModel
from dpf_core.training.autotune import (
    Combination,
    Measurement,
    Run,
    Workload,
    combinations,
    largest_difference,
    measure,
    recommended,
    run_workload,
    variations,
)
from dpf_core.training.determinism import make_deterministic
from dpf_core.training.mixing import mixing_table
from pipeline.training import TrainSettings, load_training_sets

T = TypeVar("T")

TASKS = 12
"""Tasks at most, spread over the gym; a step mixes them."""
ROWS = 32
"""Training rows of a task that are read."""
FORWARD_TASKS = 4
"""Tasks of a forward pass, spread over those of the step, each with all of its rows."""

_MEASURED = (
    "pilot_examples_per_second",
    "train_examples_per_second",
    "forward_rows_per_second",
    "times_the_slowest",
    "share_of_the_fastest",
    "loss_difference",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """What to measure, and how long."""

    precisions: tuple[Precision, ...]
    """The first is what losses are compared with."""
    batch_tokens: tuple[int, ...] = ()
    num_threads: tuple[int, ...] = ()
    repeats: int
    limit_seconds: float
    """Of each of the two rounds of measuring."""


def run_autotune(gym: Path, settings: TrainSettings, choices: Choices) -> dict[str, Any]:
    """Measure the combinations and return what was found, as JSON values.

    Precision and attention come first; then, with the best of them, sizes of batches and numbers
    of threads, where there is a choice.

    Args:
        gym: Whose training rows are run.
        settings: Sections of params.yaml; what is not varied is taken from them.
        choices: What to vary.

    Raises:
        DPFError: A setting, the gym or the backbone is wrong.
    """
    _check(settings, choices)
    make_deterministic(num_threads=settings.runtime.num_threads, seed=settings.train.seed)
    workload = load_workload(gym, settings, choices.precisions)
    backbone = workload.models[choices.precisions[0]].backbone
    current = _current(settings)
    chosen = combinations(
        backbone.family,
        precisions=choices.precisions,
        batch_tokens=current.batch_tokens,
        num_threads=current.num_threads,
    )
    rounds = [_measure(chosen, workload, choices)]
    best = recommended(rounds[0], current).combination
    more = variations(best, batch_tokens=choices.batch_tokens, num_threads=choices.num_threads)
    if len(more) > 1:
        rounds.append(_measure(more, workload, choices))
        if any(measurement.runs for measurement in rounds[1]):  # or the first round's stays
            best = recommended(rounds[1], current).combination
    reference = next(m for m in rounds[0] if m.runs)
    return {
        "backbone": settings.backbone.name,
        "model_type": backbone.model_type,
        "device": settings.runtime.device,
        "repeats": choices.repeats,
        "limit_seconds": choices.limit_seconds,
        "train_examples": len(workload.step),
        "forward_rows": workload.forward_rows,
        "reference": asdict(reference.combination),
        "rounds": [_rows(measured, reference, workload) for measured in rounds],
        "recommended": _params(best, choices),
        "current": _params(current, choices),
    }


def load_workload(gym: Path, settings: TrainSettings, precisions: Sequence[Precision]) -> Workload:
    """Return a model of each precision at the start of training, and examples of a first step.

    The models share prompts, heads and examples, which the backbone of the first precision makes:
    that of another one may be slow.

    Raises:
        DPFError: The gym or the backbone is wrong, or the backbones do not fit the device.
    """
    records = _spread(load_manifest(gym).tasks, TASKS)
    backbones = {name: _load(settings, name) for name in precisions}
    first = assemble_model(
        backbones[precisions[0]],
        [head_spec(record) for record in records],
        settings.model,
        torch.Generator().manual_seed(settings.train.seed),
    )
    few = replace(settings.train, max_train_rows=ROWS, dev_rows=1)
    sets, _, _ = load_training_sets(gym, records, first, few)
    table = mixing_table(
        [len(task) for task in sets],
        num_steps=1,
        batch_size=few.batch_size,
        sampling_temperature=few.sampling_temperature,
        seed=few.seed,
    )
    return Workload(
        models={
            name: DPFModel(backbone, first.front_end, first.heads, first.tasks, first.config)
            for name, backbone in backbones.items()
        },
        step=[(sets[task], int(row)) for task, row in table[0]],
        forward=_spread(sets, FORWARD_TASKS),
    )


def _load(settings: TrainSettings, precision: Precision) -> Backbone:
    config = replace(settings.backbone, precision=precision, attention="sdpa")  # serves all
    try:
        return load_backbone(config, device=settings.runtime.device)
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            "the device's memory must hold the backbone in every precision that is measured at "
            f"once, got no room for {precision}. Measure one at a time with --precisions, or name "
            "a smaller backbone."
        ) from error


def _spread(items: Sequence[T], most: int) -> list[T]:
    """Return at most so many of them, evenly spaced."""
    return list(items[:: -(-len(items) // most)])


def _check(settings: TrainSettings, choices: Choices) -> None:
    """Refuse before anything is loaded what is out of range."""
    for size in choices.batch_tokens:
        replace(settings.backbone, batch_tokens=size)
    for count in choices.num_threads:
        replace(settings.runtime, num_threads=count)


def _measure(
    chosen: Sequence[Combination], workload: Workload, choices: Choices
) -> list[Measurement]:
    turns = len(chosen) * (2 + choices.repeats)
    with tqdm(total=turns, desc="autotune", unit="turn", disable=not sys.stderr.isatty()) as bar:

        def run(workload: Workload, combination: Combination) -> Run:
            bar.set_postfix_str(", ".join(str(value) for value in asdict(combination).values()))
            return run_workload(workload, combination)

        return measure(
            chosen,
            partial(run, workload.pilot()),
            partial(run, workload),
            repeats=choices.repeats,
            limit_seconds=choices.limit_seconds,
            on_turn=bar.update,
        )


def _rows(
    measured: Sequence[Measurement], reference: Measurement, workload: Workload
) -> list[dict[str, Any]]:
    """Return one mapping for each combination; what no turn tells is null."""
    finished = [m.train_seconds for m in measured if m.runs]
    rows = []
    for m in measured:
        row: dict[str, Any] = asdict(m.combination) | dict.fromkeys(_MEASURED)
        row |= {"turns": len(m.runs), "ended": m.ended}
        if m.pilots:
            best = min(pilot.seconds for pilot in m.pilots)
            row["pilot_examples_per_second"] = len(workload.pilot().step) / best
        if m.runs:
            row["train_examples_per_second"] = len(workload.step) / m.train_seconds
            row["forward_rows_per_second"] = workload.forward_rows / m.forward_seconds
            row["times_the_slowest"] = max(finished) / m.train_seconds
            row["share_of_the_fastest"] = min(finished) / m.train_seconds
            row["loss_difference"] = largest_difference(m, reference)
        rows.append(row)
    return rows


def _current(settings: TrainSettings) -> Combination:
    return Combination(
        precision=settings.backbone.precision,
        attention=settings.backbone.attention,
        batch_tokens=settings.backbone.batch_tokens,
        num_threads=settings.runtime.num_threads,
    )


def _params(combination: Combination, choices: Choices) -> dict[str, dict[str, Any]]:
    """Return the parameters that are varied, by section of params.yaml."""
    backbone: dict[str, Any] = {
        "precision": combination.precision,
        "attention": combination.attention,
    }
    params = {"backbone": backbone}
    if choices.batch_tokens:
        backbone["batch_tokens"] = combination.batch_tokens
    if choices.num_threads:
        params["runtime"] = {"num_threads": combination.num_threads}
    return params
