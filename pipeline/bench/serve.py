"""`dpf bench serve`: rows per second of the exported front end, in ONNX Runtime and in torch.

The front end is all that is exported: task ids and token ids to the backbone's input. The model is
one at the start of training, since no value changes what a graph costs. The whole of torch's
answer, backbone and head included, stands beside, so that the front end's share can be seen.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from dpf_core.batching import collate
from dpf_core.config import ExportConfig
from dpf_core.export.onnx_export import FRONT_END_FILE, export_onnx
from dpf_core.export.onnx_session import open_session
from dpf_core.model import Batch, DPFModel
from pipeline.bench.clock import alternate, summary
from pipeline.bench.gemm import wait_for
from pipeline.bench.ours import batches, encode_all, new_model, open_backbone
from pipeline.bench.settings import BenchSettings
from pipeline.bench.workload import about, hash_row_ids, load_workload

ONNX, TORCH, ANSWER = "onnx_front_end", "torch_front_end", "torch_answer"


def bench_serve(gym: Path, settings: BenchSettings, *, repeats: int) -> dict[str, Any]:
    """Return rows per second of each way, and ONNX Runtime's rate over torch's.

    Args:
        gym: A built gym; its classification tasks are served.
        settings: Batch and shape of the model; the front end is fp32 always.
        repeats: Measured turns, a batch each.
    """
    workload = load_workload(
        gym,
        num_steps=1 + repeats,
        batch_size=settings.batch_size,
        max_train_rows=200,
        held_out_rows=1,
    )
    settings = replace(settings, precision="fp32")  # as the exported files are
    torch.set_num_threads(settings.num_threads)
    backbone = open_backbone(settings)
    train_sets = encode_all(workload.train_rows, workload.tasks, backbone)
    model = new_model(backbone, workload.tasks, settings).eval()
    parts = [collate(examples)[0] for examples in batches(workload, train_sets)]
    with TemporaryDirectory(prefix="dpf-bench-") as folder:
        export_onnx(model, Path(folder), opset=ExportConfig().opset, extra={})
        session = open_session(Path(folder) / FRONT_END_FILE, num_threads=settings.num_threads)
    arrays = [
        {
            "task_id": part.task_ids.numpy(),
            "input_ids": part.input_ids.numpy(),
            "attention_mask": part.attention_mask.numpy(),
        }
        for part in parts
    ]
    sides = {
        ONNX: lambda turn: session.run(**arrays[turn]),
        TORCH: lambda turn: _front_end(model, parts[turn]),
        ANSWER: lambda turn: _answer(model, parts[turn]),
    }
    turns = alternate(sides, repeats=repeats, wait=partial(wait_for, settings.device))
    ids = [workload.row_id(*pair) for s in range(workload.num_steps) for pair in workload.batch(s)]
    ratios = turns.ratios(TORCH, ONNX)
    return {
        "benchmark": "serve",
        **about(workload, settings),
        "repeats": repeats,
        "order": turns.order,
        "row_ids_sha256": hash_row_ids(ids),
        "ratio_onnx_vs_torch": median(ratios),
        "ratios_onnx_vs_torch": summary(ratios),
        "front_end_share_of_answer": median(turns.ratios(TORCH, ANSWER)),
        **{
            f"rows_per_second_{side}": workload.batch_size / turns.median(side)
            for side in (ONNX, TORCH, ANSWER)
        },
    }


@torch.inference_mode()
def _front_end(model: DPFModel, batch: Batch) -> object:
    assert model.front_end is not None, "the benchmark's models have a prompt"
    given = batch.to(model.backbone.device)
    return model.place(model.front_end(given.task_ids), given)


@torch.inference_mode()
def _answer(model: DPFModel, batch: Batch) -> object:
    return model(batch.to(model.backbone.device))
