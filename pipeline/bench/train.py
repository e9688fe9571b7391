"""`dpf bench train`: our training against PEFT and the Trainer, on the same rows."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from dpf_core.backbone.frozen import Backbone
from dpf_core.config import Precision
from pipeline.bench import peft_peer
from pipeline.bench.clock import summary
from pipeline.bench.duel import OURS, PEFT, DuelResult, duel
from pipeline.bench.gemm import SIZES, gemm_gflops
from pipeline.bench.machine import why_no_bf16
from pipeline.bench.memory import run_apart
from pipeline.bench.ours import count_parameters, open_backbone
from pipeline.bench.settings import BenchSettings
from pipeline.bench.workload import Workload, about, load_workload

FLOP_PER_PARAMETER_AND_TOKEN = 4
"""Two forward and two backward: a frozen weight has no gradient of its own."""

_MEMORY = (
    "greatest resident memory of a process that trains, absolute: interpreter and libraries "
    "included; above_imports leaves out what it held before it loaded a model"
)
_MEMORY_ON_A_GPU = "most memory that torch has allocated on the GPU"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainPlan:
    """How much is measured."""

    repeats: int = 7
    """Turns of each side, after one that warms up."""
    turn_steps: int = 4
    """Steps of a turn."""
    max_train_rows: int = 400
    """Training rows of a task that batches are drawn from."""
    held_out_rows: int = 16
    """Rows of a task for the comparison of quality."""
    gemm_sizes: tuple[int, ...] = SIZES


def bench_train(gym: Path, settings: BenchSettings, plan: TrainPlan) -> dict[str, Any]:
    """Return ratios of speed and memory, the share of the machine's limit, and both losses.

    Args:
        gym: A built gym; its classification tasks are trained.
        settings: Shared by both sides.
        plan: How much is measured.
    """
    amount = {
        "num_steps": plan.turn_steps * (1 + plan.repeats),
        "batch_size": settings.batch_size,
        "max_train_rows": plan.max_train_rows,
        "held_out_rows": plan.held_out_rows,
    }
    workload = load_workload(gym, **amount)
    backbone = open_backbone(settings)
    refused = why_no_bf16(settings.device)
    precisions: list[Precision] = ["fp32"] if refused else ["fp32", "bf16"]
    duels = {
        precision: duel(
            workload, backbone, settings, precision,
            turn_steps=plan.turn_steps, gemm_sizes=plan.gemm_sizes,
        )
        for precision in precisions
    }  # fmt: skip
    result = _about(workload, settings, plan, duels["fp32"])
    for precision in ("fp32", "bf16"):
        result |= _versus(precision, duels.get(precision), plan, settings)
    result["ratio_vs_peft_bf16_reason"] = refused
    result |= _limit(backbone, settings, plan, duels["fp32"])
    return result | _memory(gym, settings, amount)


def _about(
    workload: Workload, settings: BenchSettings, plan: TrainPlan, done: DuelResult
) -> dict[str, Any]:
    assert done.row_hashes[OURS] == done.row_hashes[PEFT], "both sides train the same rows"
    return {
        "benchmark": "train",
        **about(workload, settings),
        "peer": " ".join((peft_peer.__doc__ or "").split()),
        "repeats": plan.repeats,
        "turn_steps": plan.turn_steps,
        "steps": workload.num_steps,
        "examples": workload.num_steps * workload.batch_size,
        "order": done.turns.order,
        "row_ids_sha256": done.row_hashes[OURS],
        "row_ids_sha256_peft": done.row_hashes[PEFT],
        "padded_over_real_tokens_peft": done.padding_factor,
        "examples_per_second_ours": _examples(done, OURS, plan, settings),
        "real_tokens_per_second_ours": _tokens(done, OURS),
        "initial_loss_ours": done.quality[OURS].initial_loss,
        "final_loss_ours": done.quality[OURS].final_loss,
        "held_out_accuracy_ours": done.quality[OURS].accuracy,
    }


def _versus(
    precision: str, done: DuelResult | None, plan: TrainPlan, settings: BenchSettings
) -> dict[str, Any]:
    """Return one peer's figures, null where it was not measured."""
    values: dict[str, Any] = dict.fromkeys(
        ("ratio", "cpu_ratio", "ratios", "examples", "tokens", "initial", "final", "accuracy")
    )
    if done is not None:
        ratios = done.turns.ratios(PEFT, OURS)
        values = {
            "ratio": median(ratios),
            "ratios": summary(ratios),
            "cpu_ratio": done.turns.cpu_ratio(PEFT, OURS),
            "examples": _examples(done, PEFT, plan, settings),
            "tokens": _tokens(done, PEFT),
            "initial": done.quality[PEFT].initial_loss,
            "final": done.quality[PEFT].final_loss,
            "accuracy": done.quality[PEFT].accuracy,
        }
    name = f"peft_{precision}"
    return {
        f"ratio_vs_{name}": values["ratio"],
        f"ratios_vs_{name}": values["ratios"],
        f"cpu_ratio_vs_{name}": values["cpu_ratio"],
        f"examples_per_second_{name}": values["examples"],
        f"real_tokens_per_second_{name}": values["tokens"],
        f"initial_loss_{name}": values["initial"],
        f"final_loss_{name}": values["final"],
        f"held_out_accuracy_{name}": values["accuracy"],
    }


def _limit(
    backbone: Backbone, settings: BenchSettings, plan: TrainPlan, done: DuelResult
) -> dict[str, Any]:
    """Return MFU: 4 FLOP a parameter and real token, over the matrix products' rate beside it."""
    parameters = count_parameters(backbone)
    peaks: dict[str, float | None] = {"fp32": None, "bf16": None}
    peaks[settings.precision], fp32 = median(done.gemm_gflops), done.gemm_gflops
    if settings.precision == "bf16":
        fp32 = [gemm_gflops("fp32", settings.device, plan.gemm_sizes)] * len(done.gemm_gflops)
        peaks["fp32"] = fp32[0]
    return {
        "mfu": _mfu(done, OURS, parameters, done.gemm_gflops),
        "mfu_peft_fp32": _mfu(done, PEFT, parameters, fp32),
        "mfu_precision": settings.precision,
        "num_parameters": parameters,
        "flop_per_parameter_and_token": FLOP_PER_PARAMETER_AND_TOKEN,
        "gemm_peak_fp32_gflops": peaks["fp32"],
        "gemm_peak_bf16_gflops": peaks["bf16"],
    }


def _mfu(done: DuelResult, side: str, parameters: int, peaks: Sequence[float]) -> float:
    """Return the median share of the machine's peak, in GFLOP a second, over the turns."""
    flop = FLOP_PER_PARAMETER_AND_TOKEN * parameters
    turns = zip(done.tokens, done.turns.seconds[side], peaks, strict=True)
    return median(flop * tokens / seconds / (peak * 1e9) for tokens, seconds, peak in turns)


def _examples(done: DuelResult, side: str, plan: TrainPlan, settings: BenchSettings) -> float:
    return plan.turn_steps * settings.batch_size / done.turns.median(side)


def _tokens(done: DuelResult, side: str) -> float:
    pairs = zip(done.tokens, done.turns.seconds[side], strict=True)
    return median(tokens / seconds for tokens, seconds in pairs)


def _memory(gym: Path, settings: BenchSettings, amount: dict[str, Any]) -> dict[str, Any]:
    """Return each side's peak memory, measured in a process of its own on the same rows."""
    request = {"gym": str(gym), "settings": asdict(settings), "workload": amount}
    sides = {OURS: (OURS, "fp32"), "peft_fp32": (PEFT, "fp32")}
    found = {
        name: run_apart(
            "pipeline.bench.train_memory", request | {"side": side, "precision": precision}
        )
        for name, (side, precision) in sides.items()
    }
    ours, peer = found[OURS], found["peft_fp32"]
    above = {name: one["peak_mb"] - one["before_model_mb"] for name, one in found.items()}
    return {
        "peak_memory_ratio": ours["peak_mb"] / peer["peak_mb"],
        "peak_memory_ratio_above_imports": (
            above[OURS] / above["peft_fp32"] if above["peft_fp32"] > 0 else None
        ),
        "peak_memory_meaning": _MEMORY_ON_A_GPU if settings.device.startswith("cuda") else _MEMORY,
        "peak_memory_mb_ours": ours["peak_mb"],
        "peak_memory_mb_peft_fp32": peer["peak_mb"],
        "peak_memory_mb_ours_before_model": ours["before_model_mb"],
        "peak_memory_mb_peft_fp32_before_model": peer["before_model_mb"],
    }
