"""A science so small that a cell takes a blink: a tiny backbone, four hand-written tasks."""

import copy
import shutil
from pathlib import Path
from typing import Any

import yaml

from pipeline.science.layout import Layout
from pipeline.science.protocol import open_place
from pipeline.science.records import read_cells
from pipeline.science.running import run_cells, tune
from tests import tiny

SOUND = [
    ("a bell rings", "loud"), ("leaves fall", "quiet"), ("the band plays", "loud"),
    ("snow on snow", "quiet"), ("a door slams", "loud"), ("she whispers", "quiet"),
    ("thunder at night", "loud"), ("a feather drops", "quiet"),
    ("drums and horns", "loud"), ("the fish swim", "quiet"),
]  # fmt: skip
TASKS: dict[str, tiny.Task] = tiny.TASKS | {
    "sound": ({"kind": "classification", "labels": ["loud", "quiet"]}, SOUND)
}
RATES = {"prompt_learning_rate": 0.01, "head_learning_rate": 0.01}
DPF = {**RATES, "mode": "append", "row_init": "similar", "head_init": "similar"}
JOINT = {**DPF, "mode": "joint", "gate_learning_rate": 0.01}
PARAMS: dict[str, Any] = {
    "runtime": {"num_threads": 1, "device": "cpu"},
    "gym": {
        "targets": ["mood", "pick"], "sources": ["topic", "sound"], "seeds": [13, 21],
        "min_similarity": 0.8, "max_leak_fraction": 0.0,
    },
    "backbone": {
        "name": "", "revision": None, "precision": "fp32", "quantization": None,
        "attention": "packed", "max_length": 16, "max_answer_length": 6, "batch_tokens": 4096,
    },
    "model": {
        "prompt_length": 3, "prompted_depth": 1, "pool_size": 4, "temperature": 0.9,
        "temperature_mode": "fixed", "final_temperature": None, "pool_init": "vocabulary",
        "task_embedding_init": "name", "scheduler_init_std": 1.0, "task_embedding_scale": 0.5,
        "scheduler_mode": "learned", "scheduler_top_k": None, "gate_mode": "learned",
        "gate_bias": -2.0, "head_scale": 16.0, "attention_size": 4, "attention_temperature": 2.0,
    },
    "source_training": {
        "seed": 13, "max_steps": 4, "batch_size": 4, "max_train_rows": 100, "dev_rows": 2,
        "sampling_temperature": 4.0, "gate_learning_rate": 0.003,
        "backbone_learning_rate": 1e-4, **RATES, "weight_decay": 0.0,
        "warmup_fraction": 0.05, "gradient_clip": 1.0, "loss_balancing": "equal",
        "fixed_weight_power": -1.0,
        "restoring_force": 0.5, "task_weight_learning_rate": 0.025, "initial_loss_rows": 4,
        "eval_every_steps": 2, "patience": 4, "checkpoint_every_steps": 2, "log_every_steps": 2,
    },
    "adaptation": {
        "max_steps": 4, "batch_size": 4, "weight_decay": 0.0, "warmup_fraction": 0.05,
        "gradient_clip": 1.0, "eval_every_steps": 2, "patience": 4,
    },
    "sources": {
        "dpf": {"model": {"method": "dpf"}, "train": {}, "teacher": None},
        "single_task": {"model": {"method": "single_task"}, "train": {}, "teacher": None},
        "mpt": {
            "model": {"method": "mpt"}, "train": {},
            "teacher": {"source": "single_task", "weight": 0.9},
        },
        "full_finetune": {"model": {"method": "full_finetune"}, "train": {}, "teacher": None},
    },
    "methods": {
        "dpf": {
            "source": "dpf", "retrieves": False, "model": {"method": "dpf"}, "sweep": [DPF],
        },
        "single_task": {
            "source": None, "retrieves": False, "model": {"method": "single_task"},
            "sweep": [RATES, {**RATES, "prompt_learning_rate": 0.1}],
        },
        "spot": {
            "source": "single_task", "retrieves": True, "model": {"method": "single_task"},
            "sweep": [RATES],
        },
        "heads_only": {
            "source": None, "retrieves": False, "model": {"method": "heads_only"},
            "sweep": [{"head_learning_rate": 0.01}],
        },
    },
    "tuning": {"targets": ["mood"], "seed": 13},
    "gain": {
        "baseline": "single_task", "challenger": "dpf", "floor": 0.05, "num_resamples": 5,
        "num_draws": 50, "draw_seed": 1,
    },
}  # fmt: skip
STUDIES: dict[str, Any] = {
    "method": "dpf",
    "targets": ["mood"],
    "seeds": [13, 21],
    "source_training": {"max_steps": 3},
    "source_order": ["sound", "topic"],
    "studies": {
        "temperature": {
            "title": "Temperature", "kind": "curve",
            "points": {"0.1": {"model": {"temperature": 0.1}}, "0.9": {}},
        },
        "weights": {
            "title": "Weights", "kind": "bars",
            "points": {"equal": {}, "gradnorm": {"train": {"loss_balancing": "gradnorm"}}},
        },
    },
}  # fmt: skip


def params(backbone: Path, **changes: Any) -> dict[str, Any]:
    """Return the parameters; `section__key=value` replaces one of them."""
    values = changed(PARAMS, **changes)
    values["backbone"]["name"] = str(backbone)
    return values


def changed(original: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a copy in which `section__key=value` replaces a value."""
    values = copy.deepcopy(original)
    for path, value in changes.items():
        *sections, key = path.split("__")
        inner = values
        for section in sections:
            inner = inner[section]
        inner[key] = value
    return values


def project(folder: Path, gym: Path, backbone: Path, **changes: Any) -> Layout:
    """Write a project with parameters and a built gym; return where everything is."""
    layout = Layout.below(folder)
    write_params(layout, backbone, **changes)
    shutil.copytree(gym, layout.gym)
    return layout


def write_params(layout: Layout, backbone: Path, **changes: Any) -> None:
    layout.params.parent.mkdir(parents=True, exist_ok=True)
    layout.params.write_text(yaml.safe_dump(params(backbone, **changes)))


def write_studies(layout: Layout, **changes: Any) -> None:
    layout.study_params.write_text(yaml.safe_dump(changed(STUDIES, **changes)))


def place(layout: Layout):
    return open_place(layout, mirror=None, jobs=1)


def run(layout, *names, jobs=1):
    here = place(layout)
    tune(here, names, num_processes=jobs)
    return run_cells(here, names, num_processes=jobs)


def scores(layout, name):
    found = read_cells(layout.cells(name)).cells
    return {where: (cell.score, cell.dev_score, cell.resamples) for where, cell in found.items()}


def with_method(project, backbone_folder, name, source, method, point):
    entry = {"source": source, "retrieves": False, "model": {"method": method}, "sweep": [point]}
    write_params(project, backbone_folder, **{f"methods__{name}": entry})
