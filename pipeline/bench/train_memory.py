"""`python -m pipeline.bench.train_memory REQUEST`: one side trains, alone in its process.

Prints JSON: the process's peak, and what it held after its imports and before any model.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from dpf_core.config import Precision, TrainConfig
from pipeline.bench.duel import OURS
from pipeline.bench.memory import peak_mb
from pipeline.bench.ours import OwnTraining, batches, encode_all, new_model, open_backbone
from pipeline.bench.peft_peer import PeftPeer
from pipeline.bench.settings import BenchSettings
from pipeline.bench.workload import Workload, load_workload


def measure(request: dict[str, Any]) -> dict[str, float]:
    """Train one side and return its memory in MB.

    Args:
        request: `side`, `gym`, `precision` of the peer, and the arguments of `BenchSettings` and
            `load_workload`.
    """
    settings = BenchSettings(**request["settings"])
    torch.set_num_threads(settings.num_threads)
    workload = load_workload(Path(request["gym"]), **request["workload"])
    if request["side"] == OURS:
        before = _train_ours(workload, settings)
    else:
        before = _train_peer(workload, settings, request["precision"])
    return {"peak_mb": peak_mb(settings.device), "before_model_mb": before}


def _train_ours(workload: Workload, settings: BenchSettings) -> float:
    import transformers  # noqa: F401 - its import counts as one, not as training

    before = peak_mb(settings.device)
    torch.use_deterministic_algorithms(mode=True)
    backbone = open_backbone(settings)
    train_sets = encode_all(workload.train_rows, workload.tasks, backbone)
    model = new_model(backbone, workload.tasks, settings)
    config = TrainConfig(max_steps=workload.num_steps, batch_size=workload.batch_size)
    training = OwnTraining(model, train_sets, config)
    for examples in batches(workload, train_sets):
        training.advance(examples)
    return before


def _train_peer(workload: Workload, settings: BenchSettings, precision: Precision) -> float:
    import peft  # noqa: F401
    from transformers import Trainer  # noqa: F401

    before = peak_mb(settings.device)
    PeftPeer(workload, settings, precision).train(lambda _: None)
    return before


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
