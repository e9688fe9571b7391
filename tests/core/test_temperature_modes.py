"""The three ways of the scheduler's temperature: what moves it, what trains it, what is saved."""

import pytest
import torch
from safetensors.torch import load_file

from dpf_core.config import ModelConfig, TrainConfig
from dpf_core.errors import ConfigError
from dpf_core.pool_io import load_pool, save_pool
from dpf_core.training.loop import train
from dpf_core.training.optimizer import annealed_temperature, build_optimizer
from tests import tiny

NAME = "front_end.scheduler.log_temperature"
STEPS = 5
MODES = {
    "fixed": {"temperature": 0.9},
    "learned": {"temperature": 0.9, "temperature_mode": "learned"},
    "annealed": {"temperature": 2.0, "temperature_mode": "annealed", "final_temperature": 0.125},
}
IS_TRAINED = {"fixed": None, "learned": True, "annealed": False}
modes = pytest.mark.parametrize("mode", MODES)


@pytest.fixture
def after_training(world):
    """Return a model after a few steps, its last weights kept, and the temperature of each step."""

    def trained(mode):
        model, seen = world.model(**MODES[mode]), []
        settings = tiny.config(
            TrainConfig, max_steps=STEPS, eval_every_steps=STEPS, prompt_learning_rate=0.1
        )
        scheduler = model.front_end.scheduler
        train(
            model, world.train_sets, world.dev_sets, settings,
            on_step=lambda _: seen.append(scheduler.temperature),
        )  # fmt: skip
        return model, seen

    return trained


@modes
def test_the_temperature_starts_where_the_settings_say(world, mode):
    model = world.model(**MODES[mode])
    assert model.front_end.scheduler.temperature == pytest.approx(MODES[mode]["temperature"])


@modes
def test_the_temperatures_tensor_is_there_and_trained_as_the_mode_says(world, mode):
    model = world.model(**MODES[mode])
    tensor = model.trainable_parameters().get(NAME)
    found = None if tensor is None else tensor.requires_grad
    assert found == IS_TRAINED[mode]
    groups = build_optimizer(model, tiny.config(TrainConfig)).param_groups
    optimised = any(tensor is p for group in groups for p in group["params"])
    assert optimised == bool(IS_TRAINED[mode])


def test_a_fixed_temperature_stays(after_training):
    assert after_training("fixed")[1] == [0.9] * STEPS


def test_a_learned_temperature_moves_a_little_at_each_step_and_stays_positive(after_training):
    _, seen = after_training("learned")
    assert len(set(seen)) == STEPS
    assert all(0 < value < 2 for value in seen)


def test_an_annealed_temperature_halves_at_each_step_and_ends_where_the_settings_say(
    after_training,
):
    model, seen = after_training("annealed")
    assert seen == pytest.approx([2, 1, 0.5, 0.25, 0.125])
    assert model.front_end.scheduler.temperature == pytest.approx(0.125)


def test_an_annealed_temperature_after_n_of_many_steps_is_in_equal_ratios():
    settings = tiny.config(ModelConfig, **MODES["annealed"])
    found = [annealed_temperature(step, 101, settings) for step in (0, 25, 50, 100)]
    assert found == pytest.approx([2, 1, 0.5, 0.125])
    assert annealed_temperature(0, 1, settings) == 2


@modes
def test_the_mixing_weights_are_those_of_the_temperature_now(after_training, mode):
    scheduler = after_training(mode)[0].front_end.scheduler
    expected = torch.softmax(scheduler.scheduler_logits / scheduler.temperature, dim=1)
    torch.testing.assert_close(scheduler(torch.arange(3)), expected)


@modes
def test_a_pool_is_saved_with_the_temperature_that_it_ended_with(after_training, tmp_path, mode):
    model, _ = after_training(mode)
    save_pool(tmp_path, model, extra={})
    saved = load_file(tmp_path / "pool.safetensors")
    assert ("log_temperature" in saved) == (mode != "fixed")
    again = load_pool(tmp_path, model.backbone)
    assert again.front_end.scheduler.temperature == model.front_end.scheduler.temperature
    assert torch.equal(again.front_end(torch.arange(3)), model.front_end(torch.arange(3)))
    trained = again.trainable_parameters().get(NAME)
    assert (None if trained is None else trained.requires_grad) == IS_TRAINED[mode]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"final_temperature": 0.1}, "null where temperature_mode is fixed"),
        ({"temperature_mode": "learned", "final_temperature": 0.1}, "null where .* learned"),
        ({"temperature_mode": "annealed"}, "> 0 where temperature_mode is annealed, got None"),
        ({"temperature_mode": "annealed", "final_temperature": 0.0}, "> 0 where .*got 0.0"),
    ],
)
def test_a_final_temperature_without_effect_or_a_missing_one_is_refused(changes, reason):
    with pytest.raises(ConfigError, match=rf"final_temperature must be {reason}.*params\.yaml"):
        tiny.config(ModelConfig, **changes)


@modes
def test_another_temperature_for_a_while_leaves_every_bit_as_it_was(world, mode):
    """exp(log(t)) is not t for this number, in single precision."""
    model = world.model(**MODES[mode])
    scheduler, everything = model.front_end.scheduler, torch.arange(3)
    if scheduler.log_temperature is not None:
        with torch.no_grad():
            scheduler.log_temperature.fill_(-0.7449855804)
    before, weights = scheduler.temperature, scheduler(everything)
    with scheduler.at_temperature(before), scheduler.at_temperature(0.1):
        assert scheduler.temperature == pytest.approx(0.1)
        assert not torch.equal(scheduler(everything), weights)
    assert scheduler.temperature == before
    assert torch.equal(scheduler(everything), weights)


def test_another_temperature_ends_with_an_error_too(world):
    scheduler = world.model().front_end.scheduler
    with pytest.raises(ZeroDivisionError), scheduler.at_temperature(0.1):
        _ = 1 / 0
    assert scheduler.temperature == pytest.approx(0.9)
