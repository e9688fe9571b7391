"""One training run: gym in, pool, metrics and plots out. Shared by the stage and by `dpf train`."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import dpf_core
from dpf_core.backbone.files import settings_sha256
from dpf_core.backbone.loading import load_backbone
from dpf_core.build import build_model
from dpf_core.config import BackboneConfig, ModelConfig, RuntimeConfig, TrainConfig
from dpf_core.config_reading import to_mapping
from dpf_core.errors import ConfigError
from dpf_core.evaluation.diagnostics import weight_alarms
from dpf_core.examples import (
    SPLIT_SETTINGS,
    RowCounts,
    TaskExamples,
    encode_rows,
    head_spec,
    split_training_rows,
)
from dpf_core.files import sha256_file, staged_folders, write_json, write_text_atomic
from dpf_core.gym.manifest import MANIFEST_FILE
from dpf_core.gym.reader import TaskRecord, load_manifest
from dpf_core.model import DPFModel
from dpf_core.pool_io import save_pool
from dpf_core.training.checkpoint import CheckpointStore
from dpf_core.training.determinism import make_deterministic
from dpf_core.training.loop import Progress, TrainResult, train
from dpf_core.training.processes import SINGLE, Processes
from pipeline.exclusive import exclusive
from pipeline.plots import remove_others
from pipeline.plots.training import train_plots

_LIBRARIES = ("numpy", "tokenizers", "torch", "transformers")
"""Whose versions can change a result."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainSettings:
    """The sections of params.yaml that shape a trained pool."""

    runtime: RuntimeConfig
    backbone: BackboneConfig
    model: ModelConfig
    train: TrainConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainPaths:
    """What a training run reads and writes."""

    gym: Path
    pool: Path
    metrics: Path
    plots: Path
    checkpoints: Path
    """Parent of one folder a run, named by its key."""


def run_training(
    paths: TrainPaths,
    settings: TrainSettings,
    processes: Processes = SINGLE,
    *,
    before_writing: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Train a pool on a gym, write it, and return its metrics.

    Args:
        paths: What is read and written.
        settings: Of the pool.
        processes: That train it together; the first one writes, prints, and shows how far it is.
        before_writing: Called after training; what it raises leaves checkpoints and outputs alone.

    Raises:
        DPFError: A setting, the gym or the backbone is wrong, or another training into the same
            folder is under way; no output is written then.
        OSError: An output cannot be written; earlier outputs are untouched.
    """
    _check_start(settings.model.init_from, paths.pool)
    if not processes.is_first:
        return _train(paths, settings, processes, before_writing)
    with exclusive(paths.checkpoints, "train into a folder"):
        return _train(paths, settings, processes, before_writing)


def _train(
    paths: TrainPaths,
    settings: TrainSettings,
    processes: Processes,
    before_writing: Callable[[], None],
) -> dict[str, Any]:
    make_deterministic(num_threads=settings.runtime.num_threads, seed=settings.train.seed)
    records = load_manifest(paths.gym).tasks
    backbone = load_backbone(settings.backbone, device=settings.runtime.device)
    model = build_model(
        backbone,
        [head_spec(record) for record in records],
        settings.model,
        torch.Generator().manual_seed(settings.train.seed),
    )
    model.backbone.recomputes_layers = settings.runtime.gradient_checkpointing
    train_sets, dev_sets, counts = load_training_sets(paths.gym, records, model, settings.train)
    # A launcher's number of processes may stand where params.yaml says 1.
    runtime = replace(settings.runtime, num_processes=processes.count)
    key = run_key(paths.gym, model, replace(settings, runtime=runtime))
    checkpoints = CheckpointStore(paths.checkpoints / key)
    with _progress_bar(settings.train.max_steps, is_shown=processes.is_first) as on_step:
        result = train(
            model, train_sets, dev_sets, settings.train,
            checkpoints=checkpoints, on_step=on_step, processes=processes,
        )  # fmt: skip
    metrics = _metrics(model, result, counts, settings.train)
    before_writing()
    if processes.is_first:
        _say(result)
        _write(paths, model, result, metrics, settings.train)
        checkpoints.clear()
    return metrics


def _write(
    paths: TrainPaths,
    model: DPFModel,
    result: TrainResult,
    metrics: dict[str, Any],
    config: TrainConfig,
) -> None:
    rows = {
        "gym_manifest_sha256": sha256_file(paths.gym / MANIFEST_FILE),
        "split": {name: getattr(config, name) for name in SPLIT_SETTINGS},
    }
    with staged_folders(paths.pool, paths.plots, paths.metrics.parent) as (pool, plots, folder):
        save_pool(pool, model, extra=rows)
        _write_plots(plots, result)
        write_json(folder / paths.metrics.name, metrics)
        remove_others(paths.plots, plots)


def load_training_sets(
    gym: Path, records: Sequence[TaskRecord], model: DPFModel, config: TrainConfig
) -> tuple[list[TaskExamples], list[TaskExamples], dict[str, RowCounts]]:
    """Return every task's training and dev examples in task-id order, and the row counts."""
    train_sets, dev_sets, counts = [], [], {}
    for task_id, (record, spec) in enumerate(zip(records, model.tasks, strict=True)):
        train_rows, dev_rows, counts[record.name] = split_training_rows(
            gym,
            record,
            dev_rows=config.dev_rows,
            max_train_rows=config.max_train_rows,
            seed=config.seed,
        )
        train_sets.append(encode_rows(train_rows, spec, task_id, model.backbone))
        dev_sets.append(encode_rows(dev_rows, spec, task_id, model.backbone))
    return train_sets, dev_sets, counts


def run_key(gym: Path, model: DPFModel, settings: TrainSettings) -> str:
    """Return a hash of what shapes a result: code, parameters, data, backbone, start, libraries.

    Args:
        gym: What it is trained on.
        model: As it starts.
        settings: How it is trained.
    """
    root = Path(dpf_core.__file__).parent
    code = {str(path.relative_to(root)): sha256_file(path) for path in sorted(root.rglob("*.py"))}
    parts = {
        "code": code | {"pipeline/training.py": sha256_file(__file__)},
        "settings": asdict(settings),
        "gym": sha256_file(gym / MANIFEST_FILE),
        "backbone": [model.backbone.sha256, settings_sha256(model.backbone.directory)],
        "init_from": model.origin,
        "versions": {name: version(name) for name in _LIBRARIES},
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _check_start(init_from: str | None, pool: Path) -> None:
    if init_from is not None and Path(init_from).resolve() == pool.resolve():
        raise ConfigError(
            f"model.init_from must be another folder than the pool that is trained, got "
            f"{init_from!r} (model.init_from in params.yaml): its files are replaced by the run, "
            "and DVC removes them before it. Copy that pool elsewhere and name the copy."
        )


def _metrics(
    model: DPFModel, result: TrainResult, counts: dict[str, RowCounts], config: TrainConfig
) -> dict[str, Any]:
    alarms = weight_alarms(result.history) if config.loss_balancing == "gradnorm" else []
    return {
        "method": model.config.method,
        "steps": result.num_steps,
        "best_step": result.best_step,
        "stopped_early": result.is_stopped_early,
        "examples_seen": result.examples_seen,
        "dev_mean_score": result.best_dev_score,
        "num_trainable": model.num_trainable,
        "rows": {name: asdict(count) for name, count in counts.items()},
        "final_losses": result.final_losses,
        "task_weights": result.task_weights,
        "alarms": [alarm.message for alarm in alarms],
        "settings": {"backbone": to_mapping(model.backbone.config)},
    }


def _write_plots(folder: Path, result: TrainResult) -> None:
    lines = ["step\ttask\tquantity\tvalue"]
    lines += [f"{step}\t{task}\t{name}\t{value!r}" for step, task, name, value in result.history]
    write_text_atomic(folder / "history.tsv", "\n".join(lines) + "\n")
    train_plots(result.history, folder, result.best_step)


def _say(result: TrainResult) -> None:
    for problem in result.problems:
        print(f"warning: {problem}", file=sys.stderr)
    if result.resumed_at is not None:
        print(f"resumed at step {result.resumed_at}", file=sys.stderr)
    stopped = " (stopped early)" if result.is_stopped_early else ""
    print(
        f"{result.num_steps} steps{stopped}, best dev score {result.best_dev_score:.3f} "
        f"at step {result.best_step}",
        file=sys.stderr,
    )


@contextmanager
def _progress_bar(max_steps: int, *, is_shown: bool) -> Iterator[Any]:
    """Yield a callback that moves a bar on a terminal, and prints each measurement elsewhere."""
    if not is_shown:
        yield lambda _: None
        return
    bar = tqdm(total=max_steps, desc="train", unit="step", disable=not sys.stderr.isatty())

    def on_step(progress: Progress) -> None:
        bar.update(progress.step - bar.n)
        if bar.disable:
            bar.n = progress.step
        if progress.dev_score is not None:
            bar.set_postfix(loss=f"{progress.loss:.3f}", dev=f"{progress.dev_score:.3f}")
            if bar.disable:
                print(
                    f"step {progress.step}/{max_steps}: loss {progress.loss:.3f}, "
                    f"dev score {progress.dev_score:.3f}",
                    file=sys.stderr,
                    flush=True,
                )

    with bar:
        yield on_step
