import pytest
import torch

from dpf_core.config import TrainConfig
from dpf_core.errors import ConfigError
from dpf_core.training.optimizer import build_optimizer, learning_rate_factor, set_learning_rate
from tests import tiny
from tests.core.adapting import adapt, source_of

CONFIG = tiny.config(TrainConfig, max_steps=100, warmup_fraction=0.1)


def factors(config=CONFIG):
    return [learning_rate_factor(step, config) for step in range(config.max_steps)]


def test_the_learning_rate_rises_in_the_warm_up_and_falls_afterwards():
    values = factors()
    assert values.index(max(values)) == 10
    assert values[:11] == sorted(values[:11])
    assert values[10:] == sorted(values[10:], reverse=True)


def test_the_learning_rate_lies_above_0_and_reaches_1():
    values = factors()
    assert max(values) == 1
    assert min(values) > 0
    assert values[-1] < 0.001


def test_without_a_warm_up_the_first_step_has_the_full_rate():
    assert factors(tiny.config(TrainConfig, warmup_fraction=0.0))[0] == 1


@pytest.mark.parametrize("method", ["dpf", "heads_only"])
def test_every_trainable_tensor_has_one_group_with_its_own_rate(world, method):
    config = tiny.config(
        TrainConfig,
        head_learning_rate=0.5,
        prompt_learning_rate=0.25,
        gate_learning_rate=0.125,
    )
    expected = {"heads": 0.5, "front_end": 0.25, "front_end.fusion.gate": 0.125}
    model = world.model(method=method)
    optimizer = build_optimizer(model, config)
    set_learning_rate(optimizer, 0, config)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    factor = learning_rate_factor(0, config)
    for name, tensor in model.trainable_parameters().items():
        part = name.rpartition("_")[0] if "gate_" in name else name.partition(".")[0]
        assert rates.pop(id(tensor)) == factor * expected[part]
    assert rates == {}


def test_weight_decay_alone_shrinks_a_tensor(world):
    model = world.model()
    optimizer = build_optimizer(
        model, tiny.config(TrainConfig, weight_decay=0.5, prompt_learning_rate=0.1)
    )
    before = model.front_end.pool.prompts.detach().clone()
    model.front_end.pool.prompts.grad = torch.zeros_like(before)
    optimizer.step()
    torch.testing.assert_close(model.front_end.pool.prompts.detach(), before * 0.95)


def test_a_model_with_nothing_to_train_is_refused_with_its_modes(tmp_path, tiny_gym):
    writer = tiny.world(tiny.backbone(tmp_path / "gpt2", "gpt2"), tiny_gym)
    source = source_of(writer, gate_mode="none", scheduler_mode="fixed")
    with pytest.raises(ConfigError, match=r"nothing with model\.method dpf, gate_mode none"):
        build_optimizer(adapt(writer, source, mode="append"), tiny.config(TrainConfig))
