"""What one of several processes does for test_processes.py: train, and write down what came out."""

import json
from datetime import timedelta
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import distributed

from dpf_core.config import TrainConfig
from dpf_core.errors import DPFError
from dpf_core.training.checkpoint import CheckpointStore
from dpf_core.training.determinism import make_deterministic
from dpf_core.training.loop import train
from dpf_core.training.processes import SINGLE, Processes
from dpf_core.training.step import accumulate_gradients
from tests import tiny
from tests.properties import copy_tensors

COUNT = 2
RUNS = {
    "encoder, equal weights": ("bert", {"prompted_depth": 2}, "equal"),
    "encoder, gradnorm": ("bert", {}, "gradnorm"),
    "full fine-tuning": ("bert", {"method": "full_finetune"}, "equal"),
    "heads only": ("bert", {"method": "heads_only"}, "equal"),
    "decoder, equal weights": ("gpt2", {}, "equal"),
    "decoder, gradnorm": ("gpt2", {}, "gradnorm"),
}
BATCHES = {"one head": (0,), "no head at all": (1,), "a head in one process alone": (1, 0)}
"""Tasks of a batch; options (task 1) give an encoder's heads no gradient."""


def world(folder, family="bert"):
    return tiny.world(tiny.backbone(folder / family, family), folder / "gym")


def run(made, name, processes=SINGLE, *, stop_at=None, **arguments):
    """Train a run for 20 steps; return the tensors after the last, history and task weights."""
    _, changes, balancing = RUNS[name]
    model, last = made.model(**changes), {}
    config = tiny.config(TrainConfig, max_steps=20, loss_balancing=balancing)

    def on_step(progress):
        if progress.step == stop_at:
            raise DPFError("stopped")
        last.update(copy_tensors(model))

    result = train(
        model, made.train_sets, made.dev_sets, config,
        on_step=on_step, processes=processes, **arguments,
    )  # fmt: skip
    return {
        "tensors": last, "best tensors": copy_tensors(model),
        "history": [list(row) for row in result.history], "weights": result.task_weights,
        "resumed_at": result.resumed_at,
    }  # fmt: skip


def step(made, tasks, processes=SINGLE):
    """Return the gradients and the result of one step of two rows of each of these tasks."""
    model = made.model()
    rows = [(made.train_sets[task], row) for row in range(2) for task in tasks]
    result = accumulate_gradients(model, rows, torch.tensor([0.4, 1.9, 0.7]), processes)
    gradients = {name: tensor.grad for name, tensor in model.trainable_parameters().items()}
    return gradients | {"losses": result.losses, "norms": result.gradient_norms}


def main(rank, folder: Path):
    """Be one process; what it found goes to a file of its own."""
    make_deterministic(num_threads=1, seed=0)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=COUNT,
        timeout=timedelta(seconds=60),
    )  # fmt: skip
    processes = Processes(rank, COUNT)
    worlds = {family: world(folder, family) for family in ("bert", "gpt2")}
    found = {name: run(worlds[RUNS[name][0]], name, processes) for name in RUNS}
    found |= {name: step(worlds["bert"], tasks, processes) for name, tasks in BATCHES.items()}
    found |= _resumed(worlds["bert"], processes, folder)
    processes.barrier()
    if processes.is_first:
        found["left alone"] = _error_of(lambda: processes.sum_([torch.ones(1)]))
    _write(found, folder, rank)


def read(folder: Path, rank):
    """Return what a process found."""
    tensors = load_file(folder / f"found-{rank}.safetensors")

    def restored(value):
        if not isinstance(value, dict):
            return value
        return tensors[value["tensor"]] if value.keys() == {"tensor"} else {
            key: restored(inner) for key, inner in value.items()
        }  # fmt: skip

    return restored(json.loads((folder / f"found-{rank}.json").read_text()))


def _write(found, folder, rank):
    tensors = {}

    def described(value, name):
        if isinstance(value, torch.Tensor):
            tensors[name] = value
            return {"tensor": name}
        if isinstance(value, dict):
            return {key: described(inner, f"{name}/{key}") for key, inner in value.items()}
        return value

    (folder / f"found-{rank}.json").write_text(json.dumps(described(found, "")))
    save_file(tensors, folder / f"found-{rank}.safetensors")


def _resumed(made, processes, folder):
    """Stop a run and resume it; then let the second process look for checkpoints elsewhere."""
    store, name = CheckpointStore(folder / "checkpoints"), "encoder, gradnorm"
    _error_of(lambda: run(made, name, processes, checkpoints=store, stop_at=7))
    resumed = run(made, name, processes, checkpoints=store)
    other = store if processes.is_first else CheckpointStore(folder / "elsewhere")
    error = _error_of(lambda: run(made, name, processes, checkpoints=other))
    return {"resumed": resumed, "apart": error}


def _error_of(function):
    try:
        function()
    except DPFError as error:
        return f"{type(error).__name__}: {error}"
    return None
