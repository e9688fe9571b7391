"""`python -m pipeline.bench.scale_memory REQUEST`: one shape of a model trains, alone.

Prints JSON: the process's peak; its peak while it trains, after the model is built; and the size of
what is trained.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from pipeline.bench.memory import peak_mb, reset_peak
from pipeline.bench.ours import batches, encode_all, open_backbone
from pipeline.bench.scale import new_training
from pipeline.bench.settings import BenchSettings
from pipeline.bench.workload import load_workload


def measure(request: dict[str, Any]) -> dict[str, float]:
    """Train and return memory in MB.

    Args:
        request: `gym`, `num_tasks`, `pool_size`, and the arguments of `BenchSettings` and
            `load_workload`.
    """
    settings = BenchSettings(**request["settings"])
    torch.set_num_threads(settings.num_threads)
    torch.use_deterministic_algorithms(mode=True)
    workload = load_workload(Path(request["gym"]), **request["workload"])
    backbone = open_backbone(settings)
    train_sets = encode_all(workload.train_rows, workload.tasks, backbone)
    shape = request["num_tasks"], request["pool_size"]
    training = new_training(workload, backbone, settings, *shape)
    built = peak_mb(settings.device)
    reset_peak(settings.device)  # where it cannot, the peak while training is that of all
    for examples in batches(workload, train_sets):
        training.advance(examples)
    trained = peak_mb(settings.device)
    tensors = training.model.trainable_parameters().values()
    return {
        "peak_mb": max(built, trained),
        "training_peak_mb": trained,
        "trainable_mb": sum(t.numel() * t.element_size() for t in tensors) / 1e6,
    }


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
