import importlib
import json
import warnings

import pytest
import torch

from pipeline.bench.settings import BenchSettings


@pytest.fixture
def settings(backbone_folder):
    """The tiny backbone on one thread; no test may change what later tests run with."""
    yield BenchSettings(
        backbone=str(backbone_folder), num_threads=1, batch_size=4, prompt_length=3, pool_size=4,
        max_length=16, peer_learning_rate=0.05,
    )  # fmt: skip
    torch.use_deterministic_algorithms(mode=True)


@pytest.fixture
def in_this_process(monkeypatch):
    """Measure memory here: a process of its own takes seconds to import torch."""

    def run(module, request):
        return importlib.import_module(module).measure(json.loads(json.dumps(request)))

    for user in ("train", "scale"):
        monkeypatch.setattr(f"pipeline.bench.{user}.run_apart", run)


@pytest.fixture(autouse=True)
def _third_party_warnings():
    """The peer is not ours: what its libraries warn of says nothing of the benchmark."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
