"""The machine's limit: how fast it multiplies large matrices, measured beside the training."""

import time

import torch

from dpf_core.config import Precision

SIZES = (1024, 2048)
_TRIES = 3
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def gemm_gflops(precision: Precision, device: str = "cpu", sizes: tuple[int, ...] = SIZES) -> float:
    """Return the best rate of square matrix products in 10^9 FLOP/s.

    Args:
        precision: Of the factors.
        device: As torch names devices.
        sizes: Sides of the matrices.
    """
    return max(_rate(size, precision, device) for size in sizes)


def wait_for(device: str) -> None:
    """Wait until a device has done what it was asked; a CPU always has."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


@torch.inference_mode()
def _rate(size: int, precision: Precision, device: str) -> float:
    left = torch.ones(size, size, dtype=_DTYPES[precision], device=device)
    out = left @ left  # warm-up
    best = float("inf")
    for _ in range(_TRIES):
        wait_for(device)
        start = time.perf_counter()
        torch.mm(left, left, out=out)
        wait_for(device)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9
