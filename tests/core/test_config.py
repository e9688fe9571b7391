import dataclasses
import math

import pytest

from dpf_core.config import (
    SECTIONS,
    BackboneConfig,
    EvaluateConfig,
    ExportConfig,
    ModelConfig,
    RuntimeConfig,
    TrainConfig,
)
from dpf_core.config_reading import from_mapping, to_mapping
from dpf_core.errors import ConfigError

ALL = [BackboneConfig, ModelConfig, TrainConfig, EvaluateConfig, ExportConfig, RuntimeConfig]
LIMITS = {
    (BackboneConfig, "max_length"): 7, (BackboneConfig, "batch_tokens"): 63,
    (ModelConfig, "prompt_length"): 0, (ModelConfig, "prompted_depth"): 0,
    (ModelConfig, "pool_size"): 0, (ModelConfig, "temperature"): 0.0,
    (ModelConfig, "head_scale"): -1.0, (ModelConfig, "scheduler_init_std"): -0.1,
    (TrainConfig, "max_steps"): 0, (TrainConfig, "batch_size"): 0, (TrainConfig, "dev_rows"): 0,
    (TrainConfig, "max_train_rows"): 0, (TrainConfig, "initial_loss_rows"): 0,
    (TrainConfig, "eval_every_steps"): 0, (TrainConfig, "patience"): 0,
    (TrainConfig, "checkpoint_every_steps"): 0, (TrainConfig, "log_every_steps"): 0,
    (TrainConfig, "sampling_temperature"): 0.0, (TrainConfig, "prompt_learning_rate"): 0.0,
    (TrainConfig, "head_learning_rate"): -1e-3, (TrainConfig, "gradient_clip"): 0.0,
    (TrainConfig, "backbone_learning_rate"): 0.0,
    (TrainConfig, "task_weight_learning_rate"): 0.0, (TrainConfig, "weight_decay"): -0.1,
    (TrainConfig, "restoring_force"): -0.5, (TrainConfig, "warmup_fraction"): 1.0,
    (TrainConfig, "seed"): -1,
    (EvaluateConfig, "max_test_rows"): 0, (ExportConfig, "opset"): 17, (ExportConfig, "rows"): 0,
    (ExportConfig, "tolerance"): 0.0, (RuntimeConfig, "num_threads"): 0,
}  # fmt: skip


def build(cls, **changes):
    return from_mapping(cls, to_mapping(cls()) | changes, "params.yaml")


@pytest.mark.parametrize("cls", ALL)
def test_settings_that_become_a_mapping_come_back_the_same(cls):
    assert build(cls) == cls()


@pytest.mark.parametrize("cls", ALL)
def test_settings_cannot_be_changed_and_take_no_positional_value(cls):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(cls(), next(iter(to_mapping(cls()))), None)
    with pytest.raises(TypeError):
        cls("value")


@pytest.mark.parametrize(("cls", "name"), LIMITS, ids=lambda part: getattr(part, "__name__", part))
def test_a_value_out_of_range_is_refused_with_its_section_and_value(cls, name):
    value = LIMITS[cls, name]
    with pytest.raises(ConfigError) as raised:
        build(cls, **{name: value})
    assert f"{name} must be" in str(raised.value)
    assert f"got {value} ({SECTIONS[cls]}.{name} in params.yaml)" in str(raised.value)


@pytest.mark.parametrize("value", [math.nan, -math.inf, math.inf])
@pytest.mark.parametrize("name", ["temperature", "head_scale", "gate_bias"])
def test_a_value_that_is_no_finite_number_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} of params.yaml must be finite, got {value}"):
        build(ModelConfig, **{name: value})


def test_an_unknown_key_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"got 'temprature'\. Did you mean 'temperature'"):
        build(ModelConfig, temprature=0.9)


def test_a_key_that_is_no_text_is_refused():
    with pytest.raises(ConfigError, match="got 1"):
        from_mapping(RuntimeConfig, {1: 2, "num_threads": 1}, "params.yaml")


@pytest.mark.parametrize("value", [None, [1], "num_threads"])
def test_a_section_that_is_no_mapping_is_refused(value):
    with pytest.raises(ConfigError, match=r"section runtime must be a mapping"):
        from_mapping(RuntimeConfig, value, "section runtime")


def test_missing_keys_are_named():
    values = to_mapping(ModelConfig())
    del values["pool_size"], values["method"]
    with pytest.raises(ConfigError, match=r"params.yaml must name .* none for method, pool_size"):
        from_mapping(ModelConfig, values, "params.yaml")


@pytest.mark.parametrize(
    ("cls", "name", "value", "contract"),
    [
        (ModelConfig, "pool_size", True, "must be int, got True (bool)"),
        (ModelConfig, "pool_size", 4.0, "must be int, got 4.0 (float)"),
        (ModelConfig, "pool_size", "4", "must be int, got '4' (str)"),
        (ModelConfig, "pool_size", None, "must be int, got None"),
        (ModelConfig, "temperature", True, "must be float, got True (bool)"),
        (ModelConfig, "temperature", "0.9", "must be float, got '0.9' (str)"),
        (BackboneConfig, "name", 3, "must be str, got 3 (int)"),
        (BackboneConfig, "revision", 3, "must be str, got 3 (int)"),
        (EvaluateConfig, "neighbour_temperatures", 0.7, "must be tuple, got 0.7 (float)"),
        (EvaluateConfig, "neighbour_temperatures", ["a"], "must be float, got 'a' (str)"),
    ],
)
def test_a_value_of_another_type_is_refused_with_both(cls, name, value, contract):
    with pytest.raises(ConfigError) as raised:
        build(cls, **{name: value})
    assert f"{name} of params.yaml {contract}" in str(raised.value)


def test_a_whole_number_serves_where_a_fraction_may_stand():
    made = build(ModelConfig, temperature=1)
    assert isinstance(made.temperature, float)


def test_an_optional_value_may_be_null():
    assert build(EvaluateConfig, max_test_rows=None).max_test_rows is None
    assert build(EvaluateConfig, max_test_rows=5).max_test_rows == 5


@pytest.mark.parametrize(("cls", "name", "value", "hint"), [
    (ModelConfig, "method", "dfp", "'dpf'"), (BackboneConfig, "precision", "fp16", "'bf16'"),
    (TrainConfig, "loss_balancing", "gradnrom", "'gradnorm'"),
])  # fmt: skip
def test_an_unknown_choice_is_refused_with_the_choices_and_the_nearest(cls, name, value, hint):
    with pytest.raises(
        ConfigError, match=f"{name} of .* must be one of .*, got '{value}'"
    ) as raised:
        build(cls, **{name: value})
    assert f"Did you mean {hint}?" in str(raised.value)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_neighbour_temperature_that_is_not_positive_is_refused(value):
    with pytest.raises(ConfigError, match=f"must be > 0, got {value} .*neighbour_temperatures"):
        build(EvaluateConfig, neighbour_temperatures=[0.7, value])


def test_a_list_becomes_a_tuple_and_comes_back_as_a_list():
    made = build(EvaluateConfig, neighbour_temperatures=[0.5, 2])
    assert made.neighbour_temperatures == (0.5, 2.0)
    assert to_mapping(made)["neighbour_temperatures"] == [0.5, 2.0]


def test_every_dataclass_has_its_section():
    assert set(SECTIONS) == set(ALL)
