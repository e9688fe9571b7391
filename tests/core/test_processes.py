import pytest
import torch

from dpf_core.config import TrainConfig
from dpf_core.errors import ConfigError
from dpf_core.training.loop import train
from dpf_core.training.processes import SINGLE, Processes
from tests import tiny
from tests.core import process_runs
from tests.core.process_runs import BATCHES, COUNT, RUNS

TOLERANCE = 1e-5
"""Between one process and two after 20 steps, whose fp32 sums run in another order; 1.5e-6 seen."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    tiny.gym(folder)
    for family in ("bert", "gpt2"):
        tiny.backbone_folder(folder / family, family)
    return folder


@pytest.fixture(scope="module")
def found(folder):
    """What each of two processes found; starting them takes ten seconds."""
    torch.multiprocessing.spawn(process_runs.main, (folder,), nprocs=COUNT)
    return [process_runs.read(folder, rank) for rank in range(COUNT)]


@pytest.fixture(scope="module")
def worlds(folder):
    return {family: process_runs.world(folder, family) for family in ("bert", "gpt2")}


def assert_same_bits(found, expected):
    assert found.keys() == expected.keys()
    assert [name for name in found if not torch.equal(found[name], expected[name])] == []


@pytest.mark.parametrize("num_items", [0, 1, 5, 24])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_item_falls_to_exactly_one_process(num_items, count):
    shares = [Processes(rank, count).share(num_items) for rank in range(count)]
    assert sorted(item for share in shares for item in share) == list(range(num_items))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_single_process_needs_no_group_and_changes_nothing():
    tensor = torch.tensor([1 / 3])
    SINGLE.sum_([tensor])
    SINGLE.barrier()
    assert tensor.item() == torch.tensor(1 / 3).item()
    assert SINGLE.measure(lambda item: item / 3, [1, 2], torch.device("cpu")) == [1 / 3, 2 / 3]


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_two_processes_give_the_pool_and_the_history_of_one(worlds, found, name):
    expected, shared = process_runs.run(worlds[RUNS[name][0]], name), found[0][name]
    for tensor, value in expected["tensors"].items():
        if tensor.endswith("key.bias"):
            continue  # its gradient is rounding alone, and AdamW's steps are of one size
        torch.testing.assert_close(
            shared["tensors"][tensor], value, atol=TOLERANCE, rtol=0, msg=tensor
        )
    keys, values = zip(*((row[:3], row[3]) for row in shared["history"]), strict=True)
    assert keys == tuple(row[:3] for row in expected["history"])
    assert values == pytest.approx([row[3] for row in expected["history"]], abs=TOLERANCE)
    assert shared["weights"] == pytest.approx(expected["weights"], abs=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_every_process_ends_with_the_same_bits(found, name):
    first, second = (process[name] for process in found)
    assert_same_bits(second["tensors"], first["tensors"])
    assert second["history"] == first["history"]


@pytest.mark.slow
@pytest.mark.parametrize("name", BATCHES)
def test_a_step_gives_every_process_the_gradients_of_the_whole_batch(worlds, found, name):
    expected = process_runs.step(worlds["bert"], BATCHES[name])
    for process in found:
        absent = {key for key, value in process[name].items() if value is None}
        assert absent == {key for key, value in expected.items() if value is None}
        for key in expected.keys() - absent:
            torch.testing.assert_close(process[name][key], expected[key], msg=key)


@pytest.mark.slow
def test_a_resumed_run_of_two_processes_gives_the_bits_of_an_uninterrupted_one(found):
    for process in found:
        assert process["resumed"]["resumed_at"] == 4
        expected = process["encoder, gradnorm"]
        assert_same_bits(process["resumed"]["tensors"], expected["tensors"])
        assert process["resumed"]["history"] == expected["history"]


@pytest.mark.slow
def test_processes_that_find_different_checkpoints_are_refused(found):
    for process in found:
        assert process["apart"].startswith("CheckpointError: every process must find the same")
        assert "got the steps 16, 0 (" in process["apart"]


@pytest.mark.slow
def test_a_process_whose_partner_has_ended_says_so(found):
    assert found[0]["left alone"].startswith("ProcessError: every process must take part until")
    assert "(process 0 of 2). Run again:" in found[0]["left alone"]


def test_more_processes_than_examples_of_a_step_are_refused(world):
    config = tiny.config(TrainConfig, batch_size=7)
    with pytest.raises(ConfigError, match=r"num_processes must be <= .*, 7, got 8"):
        train(world.model(), world.train_sets, world.dev_sets, config, processes=Processes(0, 8))
