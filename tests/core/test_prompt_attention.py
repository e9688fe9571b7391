import dataclasses

import pytest
import torch

from dpf_core.adaptation import AdaptConfig, adapt_model
from dpf_core.backbone.generation import Generation
from dpf_core.batching import collate
from dpf_core.config import ModelConfig, TrainConfig
from dpf_core.errors import CheckpointError, ConfigError
from dpf_core.evaluation.per_task import candidate_texts, mean_loss, predict
from dpf_core.export.onnx_export import export_onnx
from dpf_core.export.peft_adapter import export_adapters
from dpf_core.pool_io import load_pool, save_pool
from dpf_core.prompt_attention import AttentionPrompts
from dpf_core.training.checkpoint import CheckpointStore
from dpf_core.training.loop import train
from dpf_core.training.optimizer import build_optimizer
from dpf_core.training.step import accumulate_gradients
from tests import tiny
from tests.properties import assert_rows_sum_to_one, changed, copy_tensors, pad

ATTEND = {
    f"front_end.attention.{name}" for name in ("down", "up", "norm.weight", "norm.bias")
}  # fmt: skip
MOVED = {"front_end.prompts", "heads.delta", "heads.bias"} | ATTEND
TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}  # fp32 sums in another order


@pytest.fixture
def source(world):
    """Prompts of the first two tasks, each different from the other."""
    model = dataclasses.replace(world, specs=world.specs[:2]).model(
        method="single_task", prompted_depth=2
    )
    with torch.no_grad():
        for tensor in model.trainable_parameters().values():
            tensor.add_(torch.randn_like(tensor))
    return model


@pytest.fixture
def model(world, source):
    return adapt(world, source)


@pytest.fixture
def batch(world):
    return new_batch(world)[0]


def adapt(world, source, **changes):
    config = dataclasses.replace(source.config, method="attempt", **changes)
    adapted = AdaptConfig(mode="joint", row_init="uniform", head_init="zero")
    generator = torch.Generator().manual_seed(3)
    return adapt_model(source, world.backbone, world.specs[2], config, adapted, generator)


def sets(world):
    parts = (world.train_sets, world.dev_sets)
    return [[dataclasses.replace(part[2], task_id=0)] for part in parts]


def new_batch(world):
    (examples,), _ = sets(world)
    return collate([(examples, row) for row in range(len(examples))])


def mixed(model, batch):
    own, embeds = model.front_end(batch.task_ids), model.backbone.embed(batch.input_ids)
    return model.front_end.mix(own, embeds, batch.attention_mask)


def attention(model, batch):
    own, embeds = model.front_end(batch.task_ids), model.backbone.embed(batch.input_ids)
    return model.front_end.weights(own, embeds, batch.attention_mask)


def test_it_starts_from_the_source_prompts_and_one_of_its_own(world, source, model):
    front_end = model.front_end
    assert torch.equal(front_end.sources, source.front_end.prompts)
    assert front_end.prompts.shape == (1, 2, 3, 16)
    assert model.config.pool_size == 2


def test_an_examples_prompt_is_the_papers_mixture(model, batch):
    """Recomputed for one example, without any batch."""
    parts = dict(model.front_end.named_parameters())
    with torch.no_grad():
        parts["attention.norm.weight"].normal_()
        parts["attention.norm.bias"].normal_()
    own, sources = parts["prompts"][0], parts["sources"]
    row = 3
    ids = batch.input_ids[row][batch.attention_mask[row] == 1]
    pooled = model.backbone.embed(ids).max(dim=0).values
    hidden = parts["attention.up"] @ torch.nn.functional.silu(parts["attention.down"] @ pooled)
    query = torch.nn.functional.layer_norm(
        hidden, (16,), parts["attention.norm.weight"], parts["attention.norm.bias"]
    )
    prompts = [*sources, own]
    scores = torch.stack([prompt[0].max(dim=0).values @ query for prompt in prompts])
    weights = (scores / model.config.attention_temperature).softmax(dim=0)
    expected = own + sum(w * prompt for w, prompt in zip(weights, prompts, strict=True))
    torch.testing.assert_close(mixed(model, batch)[row], expected, **TOLERANCE)


def test_the_weights_sum_to_one_and_depend_on_the_text(model, batch):
    weights = attention(model, batch)
    assert weights.shape == (len(batch.task_ids), 3)
    assert_rows_sum_to_one(weights)
    assert (weights[0] - weights[1]).abs().max() > 1e-4


@pytest.mark.parametrize(("temperature", "largest"), [(1e-4, 1.0), (1e6, 1 / 3)])
def test_a_low_temperature_picks_one_prompt_and_a_high_one_mixes_all_alike(
    world, source, batch, temperature, largest
):
    weights = attention(adapt(world, source, attention_temperature=temperature), batch)
    torch.testing.assert_close(weights.max(dim=1).values, torch.full((len(weights),), largest))


@pytest.mark.parametrize(("left", "right"), [(4, 0), (0, 4), (1, 2)])
def test_padding_does_not_change_a_rows_logits(model, batch, left, right):
    torch.testing.assert_close(model(pad(batch, left=left, right=right)), model(batch), **TOLERANCE)


def test_gradients_are_those_of_the_loss_in_micro_batches_of_any_size(world, model):
    (examples,), _ = sets(world)
    batch, labels = new_batch(world)
    named = {n: t for n, t in model.trainable_parameters().items() if t.requires_grad}
    assert set(named) == MOVED
    loss = torch.nn.functional.cross_entropy(model(batch), labels)
    expected = torch.autograd.grad(loss, list(named.values()))
    model.backbone = tiny.backbone(world.backbone.directory, batch_tokens=64)
    rows = [(examples, row) for row in range(len(examples))]
    accumulate_gradients(model, rows, torch.ones(1))
    for (name, tensor), gradient in zip(named.items(), expected, strict=True):
        torch.testing.assert_close(tensor.grad, gradient, atol=1e-5, rtol=1e-4, msg=name)
    assert model.front_end.sources.grad is None


def test_training_moves_all_but_the_source_prompts(world, source, model):
    before, of_source = copy_tensors(model), copy_tensors(source)
    train(model, *sets(world), tiny.config(TrainConfig))
    assert changed(before, model) == MOVED
    assert changed(of_source, source) == set()


def test_what_attends_has_the_gates_rate_and_is_summed_over_processes(model):
    config = tiny.config(TrainConfig, gate_learning_rate=0.125)
    groups = build_optimizer(model, config).param_groups
    rates = {id(t): group["peak_lr"] for group in groups for t in group["params"]}
    direct = {id(tensor) for tensor in model.directly_trained()}
    for name in ATTEND:
        assert rates[id(model.get_parameter(name))] == 0.125
        assert id(model.get_parameter(name)) in direct
    assert id(model.front_end.sources) not in rates
    assert id(model.front_end.prompts) not in direct


def test_predictions_and_loss_are_those_of_the_models_own_forward(world, model):
    (examples,), _ = sets(world)
    batch, labels = new_batch(world)
    logits = model(batch)
    assert predict(model, examples) == candidate_texts(model, examples, logits.argmax(1).tolist())
    expected = float(torch.nn.functional.cross_entropy(logits, labels).detach())
    assert mean_loss(model, examples) == pytest.approx(expected, rel=1e-5)


def test_a_model_that_is_saved_and_loaded_gives_the_same_bits(world, model, batch, tmp_path):
    train(model, *sets(world), tiny.config(TrainConfig))
    save_pool(tmp_path, model, extra={})
    loaded = load_pool(tmp_path, world.backbone)
    assert changed(copy_tensors(model), loaded) == set()
    assert torch.equal(loaded(batch), model(batch))
    assert not loaded.front_end.sources.requires_grad


def test_a_killed_run_resumes_to_the_same_bits(world, source, model, tmp_path):
    class KilledError(Exception):
        pass

    def kill(progress):
        if progress.step == 6:
            raise KilledError

    config, store = tiny.config(TrainConfig), CheckpointStore(tmp_path)
    train(model, *sets(world), config)
    with pytest.raises(KilledError):
        train(adapt(world, source), *sets(world), config, checkpoints=store, on_step=kill)
    resumed = adapt(world, source)
    assert train(resumed, *sets(world), config, checkpoints=store).resumed_at == 4
    assert changed(copy_tensors(model), resumed) == set()


def test_a_language_model_generates_with_the_prompt_of_each_text(tmp_path, tiny_gym):
    writer = tiny.world(tiny.backbone(tmp_path / "gpt2", "gpt2"), tiny_gym)
    part = dataclasses.replace(writer, specs=writer.specs[:2])
    made = adapt(writer, part.model(method="single_task"))
    batch, _ = new_batch(writer)
    given = made.place(made.front_end(batch.task_ids), batch)
    assert torch.equal(given.embeds[:, :3], mixed(made, batch)[:, 0])
    texts = made.generate(batch, Generation(max_new_tokens=3))
    assert len(texts) == len(batch.task_ids)
    accumulate_gradients(made, [(sets(writer)[0][0], row) for row in range(4)], torch.ones(1))
    assert made.front_end.attention.down.grad.any()


def test_a_model_of_many_tasks_attends_to_an_earlier_pools_prompts(world, tmp_path):
    earlier = world.model(method="single_task")
    save_pool(tmp_path, earlier, extra={})
    model = world.model(method="attempt", pool_size=3, init_from=str(tmp_path))
    assert torch.equal(model.front_end.sources, earlier.front_end.prompts)
    before = copy_tensors(model)
    train(model, world.train_sets, world.dev_sets, tiny.config(TrainConfig))
    assert changed(before, model) == MOVED


def test_without_an_earlier_pool_of_as_many_single_tasks_it_is_refused(world, tmp_path):
    with pytest.raises(ConfigError, match="must name a pool of the method single_task"):
        world.model(method="attempt")
    save_pool(tmp_path / "other", world.model(method="mpt"), extra={})
    with pytest.raises(CheckpointError, match=r"must have model.method single_task .*, got mpt"):
        world.model(method="attempt", init_from=str(tmp_path / "other"))
    save_pool(tmp_path / "single", world.model(method="single_task"), extra={})
    with pytest.raises(CheckpointError, match=r"must have model.pool_size 4 .*, got 3"):
        world.model(method="attempt", init_from=str(tmp_path / "single"))


def test_gradnorm_is_refused(world, model):
    config = tiny.config(TrainConfig, loss_balancing="gradnorm")
    with pytest.raises(
        ConfigError, match=r"must be equal, random or fixed where model.method is attempt"
    ):
        train(model, *sets(world), config)


def test_prompts_of_examples_are_not_exported(model, tmp_path):
    with pytest.raises(ConfigError, match="must be one with prompts by task, got 'attempt'"):
        export_onnx(model, tmp_path, opset=20, extra={})
    with pytest.raises(ConfigError, match="must be one with prompts by task, got 'attempt'"):
        export_adapters(model, tmp_path)


def test_a_source_without_single_prompts_is_refused(world):
    other = dataclasses.replace(world, specs=world.specs[:2]).model(method="mpt")
    with pytest.raises(ConfigError, match="attempt starts from must be single_task, got mpt"):
        adapt(world, other)


def test_equal_generators_give_equal_attention_and_others_another():
    made = [
        AttentionPrompts(
            torch.zeros(1, 1, 2, 8), torch.zeros(3, 1, 2, 8),
            attention_size=5, temperature=1.0, generator=torch.Generator().manual_seed(seed),
        ).attention.down
        for seed in (1, 1, 2)
    ]  # fmt: skip
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


@pytest.mark.parametrize(
    ("name", "value"), [("attention_size", 0), ("attention_temperature", 0.0)]
)  # fmt: skip
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} must be >"):
        tiny.config(ModelConfig, **{name: value})
