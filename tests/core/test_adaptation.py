import dataclasses

import pytest
import torch

from dpf_core.adaptation import AdaptConfig, adapt_model, extend_pool, most_similar_prompt
from dpf_core.config import ModelConfig, TrainConfig
from dpf_core.errors import ConfigError, TaskIdError
from dpf_core.examples import collate
from dpf_core.pool_io import load_pool, save_pool
from dpf_core.training.checkpoint import CheckpointStore
from dpf_core.training.loop import train
from tests import tiny
from tests.properties import changed, copy_tensors

NEW, SOURCES = 2, (0, 1)
"""`topic`, with three labels, joins `mood`, with two, and `pick`, without any."""
OWN = {"front_end.scheduler.scheduler_logits", "front_end.fusion.task_embedding"}
HEADS = {"heads.delta", "heads.bias"}
SHARED = {
    "front_end.pool.prompts", "front_end.fusion.gate_weight", "front_end.fusion.gate_bias",
}  # fmt: skip
LEARNED = {"temperature_mode": "learned"}
ANNEALED = {"temperature_mode": "annealed", "final_temperature": 0.4}


def settings(**changes):
    return AdaptConfig(**{"mode": "append", "row_init": "uniform"} | changes)


def source_of(world, **changes):
    """A model of the source tasks in which every trainable tensor differs from its start."""
    part = dataclasses.replace(world, specs=world.specs[:NEW])
    model = part.model(**changes)
    with torch.no_grad():
        for tensor in model.trainable_parameters().values():
            tensor.add_(0.3 * torch.randn_like(tensor))
    return model


def adapt(world, source, config=None, source_prompt=None, **changes):
    config = source.config if config is None else config
    spec, generator = world.specs[NEW], torch.Generator().manual_seed(3)
    return adapt_model(
        source, world.backbone, spec, config, settings(**changes), generator, source_prompt
    )


def fit(world, model, store=None, on_step=lambda _: None, **changes):
    """Train on the new task, which is task 0 of its own model."""
    sets = [
        dataclasses.replace(part[NEW], task_id=0) for part in (world.train_sets, world.dev_sets)
    ]
    config = tiny.config(TrainConfig, **changes)
    return train(model, sets[:1], sets[1:], config, checkpoints=store, on_step=on_step)


def appended(world, **changes):
    """A source, and a model of the new task that was trained beside it."""
    source = source_of(world, **changes)
    adapted = adapt(world, source)
    fit(world, adapted)
    return source, adapted


@pytest.mark.parametrize(
    ("mode", "moved"), [("append", OWN | HEADS), ("joint", OWN | SHARED | HEADS)]
)
def test_training_moves_these_tensors_and_no_bit_of_the_others(world, mode, moved):
    source = source_of(world)
    model = adapt(world, source, mode=mode)
    before, of_source = copy_tensors(model), copy_tensors(source)
    fit(world, model)
    assert changed(before, model) == moved
    assert changed(of_source, source) == set()


@pytest.mark.parametrize("mode", ["append", "joint"])
def test_dpf_starts_from_the_pool_and_the_gate_of_its_source(world, mode):
    source = source_of(world)
    model = adapt(world, source, mode=mode)
    for name in SHARED:
        assert torch.equal(model.get_parameter(name), source.get_parameter(name))
    assert len(model.tasks) == 1
    assert not model.heads.delta.any()


def test_a_uniform_row_mixes_every_prompt_alike(world):
    mixing = adapt(world, source_of(world)).front_end.scheduler(torch.tensor([0]))
    torch.testing.assert_close(mixing, torch.full((1, 4), 0.25))


def test_a_similar_row_lies_between_the_rows_of_the_source_tasks(world):
    source = source_of(world)
    rows = source.front_end.scheduler.scheduler_logits
    found = adapt(world, source, row_init="similar").front_end.scheduler.scheduler_logits[0]
    weight = (found - rows[0]) @ (rows[1] - rows[0]) / (rows[1] - rows[0]).norm() ** 2
    assert 0 < weight < 1
    torch.testing.assert_close(found, torch.lerp(rows[0], rows[1], weight))


def test_a_similar_row_is_that_of_a_task_of_the_same_words(world):
    source = source_of(world)
    twin = dataclasses.replace(world.specs[0], name="mood-")  # the name's words are the same
    generator = torch.Generator()
    model = adapt_model(
        source, world.backbone, twin, source.config, settings(row_init="similar"), generator
    )
    rows = source.front_end.scheduler.scheduler_logits
    found = model.front_end.scheduler.scheduler_logits[0]
    assert (found - rows[0]).norm() < (found - rows[1]).norm()


def test_a_shared_prompt_starts_from_that_of_its_source_and_is_trained(world):
    source = source_of(world, method="shared_prompt")
    model = adapt(world, source)
    assert torch.equal(model.front_end.prompt, source.front_end.prompt)
    before = copy_tensors(model)
    fit(world, model)
    assert changed(before, model) == {"front_end.prompt"} | HEADS


def test_mpt_starts_from_the_shared_prompt_and_the_means_of_the_factors(world):
    source = source_of(world, method="mpt")
    model = adapt(world, source)
    old, new = source.front_end, model.front_end
    assert torch.equal(new.prompt, old.prompt)
    torch.testing.assert_close(new.position_factors, old.position_factors.mean(0, keepdim=True))
    torch.testing.assert_close(new.hidden_factors, old.hidden_factors.mean(0, keepdim=True))
    before = copy_tensors(model)
    fit(world, model)
    assert changed(before, model) == set(model.trainable_parameters())


@pytest.mark.parametrize("method", ["single_task", "heads_only"])
def test_a_method_without_a_source_starts_like_a_model_of_the_task_alone(world, method):
    config = tiny.config(ModelConfig, method=method)
    model = adapt(world, None, config)
    alone = dataclasses.replace(world, specs=world.specs[NEW:]).model(method=method)
    assert changed(copy_tensors(alone), model) == set()


def test_spot_starts_from_the_prompt_of_the_named_task_alone(world):
    source = source_of(world, method="single_task")
    model = adapt(world, source, source_prompt=1)
    assert torch.equal(model.front_end.prompts, source.front_end.prompts[1:2])


def test_the_most_similar_prompt_is_the_one_whose_mean_token_has_the_nearest_direction(world):
    source = source_of(world, method="single_task", prompted_depth=2)
    for task in SOURCES:
        prompt = source.front_end.prompts[task].detach() * 2
        prompt[1] = torch.randn_like(prompt[1])  # deeper layers do not count
        assert most_similar_prompt(source, prompt.flip(1)) == task


@pytest.mark.parametrize("changes", [{}, LEARNED, ANNEALED, {"prompted_depth": 2}])
def test_a_task_that_joins_a_pool_changes_no_bit_of_the_earlier_tasks(world, changes):
    source, adapted = appended(world, **changes)
    joined = extend_pool(source, adapted)
    assert [task.name for task in joined.tasks] == ["mood", "pick", "topic"]
    ids = torch.tensor(SOURCES)
    assert torch.equal(joined.front_end(ids), source.front_end(ids))
    for task in SOURCES:
        for rows in (world.rows(task), world.rows(task)[:1]):
            batch, _ = collate(rows)
            before = source(batch)
            assert torch.equal(joined(batch)[:, : before.shape[1]], before)


@pytest.mark.parametrize("changes", [{}, LEARNED, ANNEALED, {"prompted_depth": 2}])
def test_the_task_that_joins_keeps_its_bits_too(world, changes):
    source, adapted = appended(world, **changes)
    joined = extend_pool(source, adapted)
    batch, _ = collate(world.rows(NEW))
    alone = dataclasses.replace(batch, task_ids=torch.zeros_like(batch.task_ids))
    assert torch.equal(joined(batch), adapted(alone))


def test_a_joined_pool_that_is_saved_and_loaded_gives_the_same_bits(world, tmp_path):
    source, adapted = appended(world)
    joined = extend_pool(source, adapted)
    save_pool(tmp_path / "joined", joined, extra={})
    save_pool(tmp_path / "source", source, extra={})
    loaded, earlier = (load_pool(tmp_path / name, world.backbone) for name in ("joined", "source"))
    assert loaded.task_groups == (2, 1)
    for task in (*SOURCES, NEW):
        batch, _ = collate(world.rows(task))
        assert torch.equal(loaded(batch), joined(batch))
        if task in SOURCES:
            before = earlier(batch)
            assert torch.equal(loaded(batch)[:, : before.shape[1]], before)


def test_a_pool_can_grow_again_and_again(world):
    source, adapted = appended(world)
    joined = extend_pool(source, adapted)
    spec = dataclasses.replace(world.specs[NEW], name="again")
    generator = torch.Generator()
    second = adapt_model(joined, world.backbone, spec, joined.config, settings(), generator)
    third = extend_pool(joined, second)
    assert third.task_groups == (2, 1, 1)
    ids = torch.arange(3)
    assert torch.equal(third.front_end(ids), joined.front_end(ids))
    batch, _ = collate(world.rows(0, NEW))
    assert torch.equal(third(batch), joined(batch))


def test_a_pool_of_a_language_model_grows_without_heads(tmp_path, tiny_gym):
    writer = tiny.world(tiny.backbone(tmp_path / "gpt2", "gpt2"), tiny_gym)
    source, adapted = appended(writer)
    joined = extend_pool(source, adapted)
    batch, _ = collate(writer.rows(0))
    assert torch.equal(joined(batch), source(batch))


def test_a_killed_adaptation_resumes_to_the_same_bits(world, tmp_path):
    class KilledError(Exception):
        pass

    def kill(progress):
        if progress.step == 6:
            raise KilledError

    source, store = source_of(world), CheckpointStore(tmp_path)
    whole, resumed = adapt(world, source), adapt(world, source)
    fit(world, whole)
    with pytest.raises(KilledError):
        fit(world, adapt(world, source), store, kill)
    assert fit(world, resumed, store).resumed_at == 4
    assert changed(copy_tensors(whole), resumed) == set()


@pytest.mark.parametrize("method", ["dpf", "shared_prompt", "mpt"])
def test_an_adapted_model_that_is_saved_and_loaded_gives_the_same_bits(world, tmp_path, method):
    model = adapt(world, source_of(world, method=method))
    fit(world, model)
    save_pool(tmp_path, model, extra={})
    assert changed(copy_tensors(model), load_pool(tmp_path, world.backbone)) == set()


@pytest.mark.parametrize("changes", [LEARNED, ANNEALED])
def test_appending_keeps_the_temperature_that_the_source_ended_with(world, changes):
    source, adapted = appended(world, **changes)
    assert adapted.front_end.scheduler.temperature == source.front_end.scheduler.temperature
    assert adapted.config.temperature_mode == "fixed"


def test_a_learned_temperature_goes_on_from_the_source_where_all_is_learned(world):
    source = source_of(world, **LEARNED)
    model = adapt(world, source, mode="joint")
    temperature = model.front_end.scheduler.temperature
    assert temperature == source.front_end.scheduler.temperature
    fit(world, model)
    assert model.front_end.scheduler.temperature != temperature


def test_a_pool_that_was_trained_on_cannot_be_joined(world):
    source = source_of(world)
    adapted = adapt(world, source, mode="joint")
    fit(world, adapted)
    with pytest.raises(ConfigError, match="must have the pool's own prompts, gate and temperature"):
        extend_pool(source, adapted)


def test_models_without_a_pool_cannot_be_joined(world):
    source = source_of(world, method="shared_prompt")
    with pytest.raises(ConfigError, match="must have the method dpf, got shared_prompt and shared"):
        extend_pool(source, adapt(world, source))


def test_a_task_that_the_source_has_is_refused(world):
    source, adapted = appended(world)
    with pytest.raises(TaskIdError, match="none of the source's tasks, got 'topic'"):
        extend_pool(extend_pool(source, adapted), adapted)
    with pytest.raises(TaskIdError, match="none of the source's tasks, got 'mood'"):
        adapt_model(
            source, world.backbone, world.specs[0], source.config, settings(), torch.Generator()
        )


@pytest.mark.parametrize(
    ("method", "source_method", "message"),
    [
        ("dpf", None, "dpf starts from must be dpf, got none"),
        ("dpf", "shared_prompt", "dpf starts from must be dpf, got shared_prompt"),
        ("shared_prompt", None, "must be shared_prompt, got none"),
        ("heads_only", "dpf", "must be none, got dpf"),
        ("single_task", "single_task", "must be none, got single_task"),
        ("full_finetune", "dpf", "must be full_finetune or none, got dpf"),
    ],
)
def test_a_source_that_the_method_cannot_use_or_lacks_is_refused(
    world, method, source_method, message
):
    source = None if source_method is None else source_of(world, method=source_method)
    with pytest.raises(ConfigError, match=message):
        adapt(world, source, tiny.config(ModelConfig, method=method))


def test_a_source_prompt_is_refused_where_it_has_no_effect_or_no_such_task(world):
    with pytest.raises(ConfigError, match="must be None for the method dpf, got 0"):
        adapt(world, source_of(world), source_prompt=0)
    source = source_of(world, method="single_task")
    with pytest.raises(TaskIdError, match=r"in \[0, 2\), got -1"):
        adapt(world, source, source_prompt=-1)
    with pytest.raises(ConfigError, match="single_task starts from must be single_task, got none"):
        adapt(world, None, source.config, source_prompt=0)


def test_prompts_can_only_be_compared_with_those_of_single_tasks(world):
    with pytest.raises(ConfigError, match="must have the method single_task, got dpf"):
        most_similar_prompt(source_of(world), torch.zeros(1, 3, 16))


@pytest.mark.parametrize(
    ("name", "value"),
    [("prompt_length", 5), ("pool_size", 6), ("head_scale", 8.0), ("temperature", 0.5)],
)
def test_other_settings_than_the_sources_are_refused_with_both_values(world, name, value):
    source = source_of(world)
    usual = getattr(source.config, name)
    with pytest.raises(ConfigError, match=rf"{name} .* must be {usual} .*, got {value}"):
        adapt(world, source, dataclasses.replace(source.config, **{name: value}))


def test_a_source_of_another_backbone_is_refused_with_both_hashes(world, tmp_path):
    path = tiny.backbone_folder(tmp_path / "other", initializer_range=0.4)
    other = dataclasses.replace(world, backbone=tiny.backbone(path))
    with pytest.raises(ConfigError, match=f"{other.backbone.sha256}, got {world.backbone.sha256}"):
        adapt(other, source_of(world))
