"""What shapes a result, as JSON values and as a key; equal keys mean equal results.

Code is not part of a key: every comment would make every cell stale. Whoever changes code so that a
score changes raises `PROTOCOL`. The hash of the code stands beside each result.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import dpf_core
import pipeline
from dpf_core.config import LATER_MODEL_SETTINGS, LATER_TRAIN_SETTINGS, ModelConfig
from dpf_core.config_reading import to_mapping
from dpf_core.gym.manifest import TaskRecord
from pipeline.science.environment import FIRST, Environment
from pipeline.science.rows import ScienceGym
from pipeline.science.settings import MethodSettings, ScienceSettings, SweepPoint

PROTOCOL = 1
"""Raised when code changes a score."""
_KEY_CHARACTERS = 16
_WITHOUT_EFFECT = {"checkpoint_every_steps": 100, "log_every_steps": 10}
"""Settings of a training that change no result, with the values that keys hold for them."""
_OF_PROMPT = {"prompt_length", "prompted_depth", "pool_init"}
_OF_POOL = {
    "pool_size", "temperature", "temperature_mode", "final_temperature", "scheduler_init_std",
    "task_embedding_init", "task_embedding_scale", "gate_bias",
    *LATER_MODEL_SETTINGS,
}  # fmt: skip
_OF_ATTENTION = {"attention_size", "attention_temperature"}
Json = dict[str, Any]


def digest(value: Any) -> str:
    """Return the key of JSON values."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_CHARACTERS]


def method_setup(
    settings: ScienceSettings,
    method: MethodSettings,
    point: SweepPoint,
    environment: Environment,
    source_key: str | None,
) -> Json:
    """Return all that shapes a method's cells but their rows and seeds.

    Args:
        settings: Of the science.
        method: One of them.
        point: Of its sweep.
        environment: Where it runs.
        source_key: Of the source model that it starts from.
    """
    source = None
    if method.source is not None:
        source = {"key": source_key, "settings": source_question(settings, method.source)}
    return {
        **shared_setup(settings, environment),
        "model": _model(method.model),
        "adapt": asdict(point.adapt) if method.model.method == "dpf" else None,
        "train": point.result_changing,
        "source": source,
        "retrieves": method.retrieves,
        "num_resamples": settings.gain.num_resamples,
    }


def source_question(settings: ScienceSettings, name: str) -> Json:
    """Return what the settings say of a source model: all that shapes it but rows and machine."""
    source, teacher = settings.sources[name], None
    if source.teacher is not None:
        question = source_question(settings, source.teacher.source)
        teacher = {"weight": source.teacher.weight, "question": question}
    train = _since_changed(to_mapping(source.train), LATER_TRAIN_SETTINGS) | _WITHOUT_EFFECT
    if source.model.method != "full_finetune":
        del train["backbone_learning_rate"]
    return {
        "model": _model(source.model),
        "train": train,
        "teacher": teacher,
        "tasks": list(settings.gym.sources),
    }


def source_key(
    settings: ScienceSettings, name: str, environment: Environment, gym: ScienceGym
) -> str:
    """Return the key of a source model.

    Its processor is not in it: weights are compared with those recorded, and a cell can be tried
    again on another one.
    """
    rows = [_source_rows(gym, task) for task in settings.gym.sources]
    setup = shared_setup(settings, replace(environment, cpu_capability=FIRST["cpu_capability"]))
    return digest([setup, source_question(settings, name), rows])


def source_data_key(gym: ScienceGym, task: str) -> str:
    """Return the key of a source task's rows.

    Raises:
        GymError: The task has no such file.
    """
    return digest(_source_rows(gym, task))


def data_key(gym: ScienceGym, task: str, seed: int) -> str:
    """Return the key of a target's few-shot and test rows.

    Raises:
        GymError: The task has no files for the seed.
    """
    files = [gym.sha256(task, split, seed) for split in ("train", "dev", "test")]
    return digest([files, _spec(gym.task(task))])


def cell_key(setup: Mapping[str, Any], data: str, seed: int) -> str:
    """Return the key of one cell."""
    return digest([setup, data, seed])


@cache
def code_hash() -> str:
    """Return the hash of this project's code."""
    lines = []
    for package in (dpf_core, pipeline):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            text = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{root.name}/{path.relative_to(root).as_posix()} {text}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_KEY_CHARACTERS]


def shared_setup(settings: ScienceSettings, environment: Environment) -> Json:
    """Return what shapes every result: runtime, backbone, libraries and processor."""
    return {
        "protocol": PROTOCOL,
        "runtime": asdict(settings.runtime),
        "backbone": to_mapping(settings.backbone) | {"sha256": environment.backbone_sha256},
        "torch": environment.torch,
        **environment.since_changed,
    }


def _model(config: ModelConfig) -> Json:
    """Return those of a model's settings that its method reads."""
    useless = set() if config.method == "attempt" else _OF_ATTENTION
    if config.method != "dpf":
        useless = useless | _OF_POOL
    if config.method in ("heads_only", "full_finetune"):
        useless = useless | _OF_PROMPT
    values = _since_changed(to_mapping(config), LATER_MODEL_SETTINGS)
    return {name: value for name, value in values.items() if name not in useless}


def _since_changed(values: Json, later: Mapping[str, Any]) -> Json:
    """Return settings without those that are younger than the first results and change nothing."""
    return {n: value for n, value in values.items() if n not in later or value != later[n]}


def _source_rows(gym: ScienceGym, task: str) -> list[Any]:
    return [gym.sha256(task, "full_train"), _spec(gym.task(task))]


def _spec(record: TaskRecord) -> list[Any]:
    """Return what a model sees of a task besides its rows."""
    return [record.kind, record.labels, record.label_texts, record.metric, record.description]
