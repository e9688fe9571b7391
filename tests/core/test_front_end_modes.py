"""Other schedulers and gates than the method's own, from the first step to files and exports."""

import dataclasses

import pytest
import torch

from dpf_core.adaptation import extend_pool
from dpf_core.batching import collate
from dpf_core.config import LATER_MODEL_SETTINGS, TrainConfig
from dpf_core.errors import CheckpointError, ConfigError
from dpf_core.evaluation.diagnostics import front_end_diagnostics, gate_histogram
from dpf_core.export.onnx_export import FUSED_PROMPT_FILE, export_onnx
from dpf_core.export.onnx_session import open_session
from dpf_core.export.peft_adapter import export_adapters
from dpf_core.files import read_json, write_json
from dpf_core.pool_io import load_pool, save_pool
from dpf_core.training.history import front_end_rows
from dpf_core.training.loop import train
from dpf_core.training.step import accumulate_gradients
from tests import tiny
from tests.core.adapting import SOURCES, appended
from tests.properties import changed, copy_tensors, relative_difference

ALL = torch.arange(3)
LOGITS, EMBEDDING = "front_end.scheduler.scheduler_logits", "front_end.fusion.task_embedding"
MODES = {
    "fixed": {"scheduler_mode": "fixed"},
    "top_k": {"scheduler_top_k": 2},
    "none": {"gate_mode": "none"},
    "mean": {"gate_mode": "mean"},
    "concatenated": {"gate_mode": "concatenated"},
}
GATES = ("none", "mean", "concatenated")
UNTRAINED = {"fixed": {LOGITS}, "none": {EMBEDDING}}
modes = pytest.mark.parametrize("mode", MODES)
gates = pytest.mark.parametrize("gate", GATES)


def model_of(world, mode, **changes):
    """A model every tensor of which differs from its start."""
    model = world.model(**MODES[mode], **changes)
    with torch.no_grad():
        for tensor in model.trainable_parameters().values():
            tensor.add_(0.3 * torch.randn_like(tensor))
    return model


@modes
@pytest.mark.parametrize("depth", [1, 2])
def test_prompts_are_as_long_and_deep_as_the_settings_say(world, mode, depth):
    model = world.model(**MODES[mode], prompted_depth=depth)
    assert model.front_end(ALL).shape == (3, depth, 3, 16)


@modes
def test_the_pools_gradient_norms_are_those_of_separate_backwards(world, mode):
    model = model_of(world, mode, prompted_depth=2)
    norms = []
    for task in range(3):
        batch, labels = collate(world.rows(task))
        loss = torch.nn.functional.cross_entropy(model(batch), labels)
        norms.append(torch.autograd.grad(loss, model.front_end.pool.prompts)[0].norm())
    result = accumulate_gradients(model, world.rows(), torch.ones(3))
    assert relative_difference(result.gradient_norms, torch.stack(norms)) < 1e-5


@modes
def test_training_moves_all_but_what_the_mode_keeps(world, mode):
    model = world.model(**MODES[mode])
    before = copy_tensors(model)
    train(model, world.train_sets, world.dev_sets, tiny.config(TrainConfig, max_steps=3))
    assert changed(before, model) == set(model.trainable_parameters()) - UNTRAINED.get(mode, set())


@modes
def test_a_saved_pool_gives_the_same_bits(world, tmp_path, mode):
    model = model_of(world, mode)
    save_pool(tmp_path, model, extra={})
    loaded = load_pool(tmp_path, world.backbone)
    assert torch.equal(loaded.front_end(ALL), model.front_end(ALL))


def test_onnx_runtime_gives_the_same_prompts(world, tmp_path):
    model = model_of(world, "concatenated", **MODES["top_k"])
    export_onnx(model, tmp_path / "onnx", opset=20, extra={})
    session = open_session(tmp_path / "onnx" / FUSED_PROMPT_FILE, num_threads=1)
    found = torch.from_numpy(session.run(task_id=ALL.numpy())["fused_prompt"])
    torch.testing.assert_close(found, model.front_end(ALL).detach())


def test_zeros_of_another_type_stay_apart_in_the_graph(world, tmp_path):
    one = dataclasses.replace(world, specs=world.specs[:1])
    model = one.model(scheduler_mode="fixed", scheduler_init_std=0.0, pool_size=2)
    export_onnx(model, tmp_path / "onnx", opset=20, extra={})
    session = open_session(tmp_path / "onnx" / FUSED_PROMPT_FILE, num_threads=1)
    found = torch.from_numpy(session.run(task_id=ALL[:1].numpy())["fused_prompt"])
    torch.testing.assert_close(found, model.front_end(ALL[:1]).detach())


@pytest.mark.parametrize("how", ["append", "private"])
@modes
def test_a_task_that_joins_a_pool_changes_no_bit_of_the_earlier_ones(world, mode, how):
    source, adapted = appended(world, how, **MODES[mode])
    joined, ids = extend_pool(source, adapted), torch.tensor(SOURCES)
    assert torch.equal(joined.front_end(ids), source.front_end(ids))
    assert torch.equal(joined.front_end(ALL[2:]), adapted.front_end(ALL[:1]))


@modes
def test_an_earlier_pool_of_the_same_mode_goes_on_where_it_ended(world, tmp_path, mode):
    earlier = model_of(world, mode)
    save_pool(tmp_path, earlier, extra={})
    found = world.model(init_from=str(tmp_path), **MODES[mode])
    assert torch.equal(found.front_end(ALL), earlier.front_end(ALL))


@pytest.mark.parametrize("mode", ["top_k", *GATES])
def test_an_earlier_pool_of_another_mode_is_refused(world, tmp_path, mode):
    save_pool(tmp_path, world.model(), extra={})
    (name, value), *_ = MODES[mode].items()
    with pytest.raises(CheckpointError, match=f"model.{name} {value} "):
        world.model(init_from=str(tmp_path), **MODES[mode])


def test_adapters_fill_the_positions_that_the_task_embedding_leaves(world, tmp_path):
    export_adapters(world.model(prompt_length=2), tmp_path)
    found = world.model(init_from=str(tmp_path), **MODES["concatenated"])
    expected = world.model(prompt_length=2).front_end(ALL)
    assert torch.equal(found.front_end.pool.prompts[:3], expected)


@gates
def test_a_constant_gate_has_no_tensors_no_diagnostics_and_no_history(world, gate):
    front_end = world.model(gate_mode=gate).front_end
    assert not front_end.fusion.gate_tensors()
    assert gate_histogram(front_end) is None
    assert not any(name.startswith("gate") for name in front_end_diagnostics(front_end))
    rows = front_end_rows(front_end, ["a", "b", "c"], step=1)
    assert {quantity for _, _, quantity, _ in rows} == {"mixing_entropy"}


def test_a_fixed_scheduler_without_spread_mixes_all_prompts_alike(world):
    front_end = world.model(scheduler_mode="fixed", scheduler_init_std=0.0).front_end
    assert torch.equal(front_end.scheduler(ALL), torch.full((3, 4), 0.25))


def test_a_pool_that_was_written_before_these_settings_is_read_as_it_was(world, tmp_path):
    model = world.model()
    save_pool(tmp_path, model, extra={})
    config = read_json(tmp_path / "config.json")
    for name in LATER_MODEL_SETTINGS:
        del config["model"][name]
    write_json(tmp_path / "config.json", config)
    loaded = load_pool(tmp_path, world.backbone)
    assert loaded.config == model.config
    assert torch.equal(loaded.front_end(ALL), model.front_end(ALL))


@pytest.mark.parametrize("top_k", [0, 5, -1])
def test_a_number_of_prompts_that_the_pool_has_not_is_refused(top_k):
    with pytest.raises(ConfigError, match=r"scheduler_top_k must be null or in \[1, 4\]"):
        tiny.config(tiny.ModelConfig, scheduler_top_k=top_k)


def test_a_single_position_leaves_no_room_for_both(world):
    with pytest.raises(ConfigError, match="prompt_length must be >= 2 where gate_mode"):
        tiny.config(tiny.ModelConfig, prompt_length=1, gate_mode="concatenated")


def test_a_method_without_a_scheduler_takes_a_pool_smaller_than_its_number_of_prompts():
    config = tiny.config(tiny.ModelConfig, method="attempt", pool_size=2, scheduler_top_k=3)
    assert config.pool_size == 2
