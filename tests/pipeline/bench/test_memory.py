import dataclasses

import pytest

from dpf_core.errors import DPFError
from pipeline.bench.memory import peak_mb, run_apart


def test_a_process_of_its_own_does_not_inherit_this_ones_memory(tiny_gym, settings):
    held = bytearray(400_000_000)
    assert peak_mb() > len(held) / 1e6
    request = {
        "side": "ours", "gym": str(tiny_gym), "settings": dataclasses.asdict(settings),
        "workload": {"num_steps": 1, "batch_size": 2, "max_train_rows": 4, "held_out_rows": 1},
    }  # fmt: skip
    found = run_apart("pipeline.bench.train_memory", request)
    assert found["peak_mb"] > found["before_model_mb"] > 0
    assert found["before_model_mb"] < len(held) / 1e6


def test_a_process_that_fails_is_quoted():
    with pytest.raises(DPFError, match=r"got exit code 1: KeyError: 'settings'"):
        run_apart("pipeline.bench.train_memory", {})
