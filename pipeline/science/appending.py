"""Targets that join the pool of the source tasks one after another, and what that does to these.

The pool stays as it is, so that the earlier tasks' fused prompts and logits must keep every bit;
here that is looked at, on real rows, and recorded.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from statistics import median

import torch
from tqdm import tqdm

from dpf_core.adaptation import extend_pool
from dpf_core.batching import collate
from dpf_core.errors import ConfigError
from dpf_core.examples import TaskExamples
from dpf_core.files import write_json
from dpf_core.model import DPFModel
from pipeline.science.cell import adapt
from pipeline.science.environment import recorded_environment
from pipeline.science.jobs import Place
from pipeline.science.keys import Json, code_hash, data_key, digest, method_setup
from pipeline.science.layout import Layout
from pipeline.science.lock import alone
from pipeline.science.records import damaged, read_record
from pipeline.science.running import key_of_source, make_sources
from pipeline.science.settings import ScienceSettings
from pipeline.science.status import checked_origin, checked_rows, recorded_key
from pipeline.science.tuning import Origin, Sweep
from pipeline.science.worker import Worker
from pipeline.training import load_training_sets

_BATCH_ROWS = 32


def append_targets(place: Place, name: str, seed: int) -> Json:
    """Let every target join the pool of a method's source, and return and record what changed.

    A record of the same settings, rows and machine is returned as it is.

    Args:
        place: Where it runs.
        name: A dpf method whose tuned mode leaves the pool as it is.
        seed: Few-shot seed of the targets.

    Raises:
        ConfigError: The method has no record of its tuning, or trains the pool; the record is
            damaged, or of another method or seed.
        DPFError: A target cannot be learned.
        OSError: The record cannot be written.
    """
    settings = place.settings
    method, source_key = settings.method(name), key_of_source(place, name)
    if method.model.method != "dpf" or method.source is None:
        raise ConfigError(
            f"a method whose targets join a pool must be of dpf, got {name} "
            f"({method.model.method}, {place.layout.params}). Name one of dpf."
        )
    origin = Origin.of(settings, place.environment, place.gym, source_key)
    point = method.sweep[Sweep(settings, place.layout, name).require(origin)]
    if point.adapt.mode == "joint":
        raise ConfigError(
            f"the mode of targets that join a pool must be append or private, got joint ({name}, "
            f"{place.layout.params}). Name another method."
        )
    setup = method_setup(settings, method, point, place.environment, source_key)
    targets = [data_key(place.gym, target, seed) for target in settings.gym.targets]
    key = digest([name, setup, targets, seed])
    recorded = read_append(place.layout)
    if recorded is not None and recorded["key"] == key:
        return recorded
    if recorded is not None and (recorded["method"], recorded["seed"]) != (name, seed):
        raise ConfigError(
            f"there must be one record of targets that joined, got one of {recorded['method']} and "
            f"seed {recorded['seed']} beside {name} and seed {seed} ({place.layout.append_record})."
            " Name those, or move the record away."
        )
    with alone(place.layout):
        make_sources(place, {name}, num_processes=1)
        worker = place.worker()
        source = joined = worker.source(method.source)
        tasks = {}
        for target in tqdm(settings.gym.targets, unit="task", disable=not sys.stderr.isatty()):
            started = time.perf_counter()
            adapted, result = adapt(worker, method, point, target, seed)
            joined = extend_pool(joined, adapted)
            tasks[target] = {
                "seconds": round(time.perf_counter() - started, 2),
                "dev_score": result.best_dev_score,
                "num_trainable": adapted.num_trainable,
            }
        record = {
            "key": key,
            "method": name,
            "setting": dict(point.values),
            "seed": seed,
            "code": code_hash(),
            "environment": asdict(place.environment),
            "tasks": tasks,
            **compare(source, joined, _rows_of_sources(worker, source, method.source)),
        }
        write_json(place.layout.append_record, record)
        return record


def read_append(layout: Layout) -> Json | None:
    """Return the record, None where there is none.

    Raises:
        ConfigError: It is damaged.
    """
    record = read_record(layout.append_record)
    if record is None:
        return None
    try:
        _ = record["key"], record["method"], record["seed"], recorded_environment(record)
        _ = describe(record), has_changed(record)
        _ = [task["dev_score"] + task["num_trainable"] for task in record["tasks"].values()]
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(damaged(layout.append_record, error)) from error
    return record


def current_append(settings: ScienceSettings, layout: Layout) -> Json | None:
    """Return the record if it follows from settings, sweep, source model and checked rows.

    Raises:
        ConfigError: It is damaged, or rows were not checked.
    """
    record = read_append(layout)
    if record is None or record["method"] not in settings.methods:
        return None
    name, seed, rows = record["method"], record["seed"], checked_rows(settings, layout)
    sweep = Sweep(settings, layout, name)
    source = None
    if sweep.method.source is not None:
        told = read_record(layout.source_record(sweep.method.source))
        source = recorded_key(told, settings, sweep.method.source, rows)
    environment = recorded_environment(record)
    weights = environment.backbone_sha256
    is_stale = sweep.origin != checked_origin(settings, layout, name, rows, weights)
    if sweep.chosen is None or source is None or is_stale:
        return None
    point = sweep.method.sweep[sweep.chosen]
    setup = method_setup(settings, sweep.method, point, environment, source)
    targets = [rows.data.get((target, seed)) for target in settings.gym.targets]
    return record if record["key"] == digest([name, setup, targets, seed]) else None


def has_changed(record: Json) -> bool:
    """Return whether any bit of an earlier task is another one."""
    return bool(record["changed_prompts"] or record["changed_rows"])


def describe(record: Json) -> str:
    """Return a record in words."""
    seconds = sorted(task["seconds"] for task in record["tasks"].values())
    return (
        f"{len(seconds)} tasks joined {record['earlier_tasks']}, each in {seconds[0]:.0f} to "
        f"{seconds[-1]:.0f} s (median {median(seconds):.0f})\n"
        f"fused prompts of earlier tasks that changed: {record['changed_prompts']} of "
        f"{record['earlier_tasks']}\n"
        f"rows whose logits changed: {record['changed_rows']} of {record['compared_rows']}"
    )


@torch.inference_mode()
def compare(source: DPFModel, joined: DPFModel, rows: Sequence[TaskExamples]) -> Json:
    """Return how many fused prompts and rows of logits differ by any bit after tasks have joined.

    Args:
        source: The model of the earlier tasks.
        joined: The same with more tasks.
        rows: Of each earlier task, in task-id order.
    """
    device = source.backbone.device
    ids = torch.arange(len(source.tasks), device=device)
    assert source.front_end is not None, "of dpf"
    assert joined.front_end is not None, "of dpf"
    before, after = source.front_end(ids), joined.front_end(ids)
    prompts = sum(not torch.equal(*pair) for pair in zip(before, after, strict=True))
    changed = total = 0
    for examples in rows:
        for start in range(0, len(examples), _BATCH_ROWS):
            stop = min(start + _BATCH_ROWS, len(examples))
            batch, _ = collate([(examples, row) for row in range(start, stop)])
            batch = batch.to(device)
            logits = source(batch)
            same = (joined(batch)[:, : logits.shape[1]] == logits).all(dim=1)
            changed += int((~same).sum())
            total += stop - start
    return {
        "earlier_tasks": len(source.tasks),
        "joined_tasks": len(joined.tasks),
        "changed_prompts": prompts,
        "compared_rows": total,
        "changed_rows": changed,
    }


def _rows_of_sources(worker: Worker, source: DPFModel, name: str) -> list[TaskExamples]:
    """Return the held-out rows of every source task."""
    records = [worker.gym.task(task) for task in worker.settings.gym.sources]
    for record in records:
        worker.gym.check_file(record.name, "full_train")
    training = worker.settings.sources[name].train
    return load_training_sets(worker.gym.folder, records, source, training)[1]
