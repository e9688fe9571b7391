"""Settings of torch under which two runs of one program give the same bits."""

import os
import random

import numpy as np
import torch


def make_deterministic(*, num_threads: int, seed: int) -> None:
    """Fix thread count, algorithms and the global generators for this process.

    The library draws from explicit generators; the global ones are fixed for what it calls.
    On the CPU the number of threads is part of the result, because sums are split by thread.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(num_threads)
    torch.use_deterministic_algorithms(mode=True)
    # A debugging aid that costs a tenth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - third-party code draws from the legacy generator
    torch.manual_seed(seed)
