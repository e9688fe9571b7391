import dataclasses

import pytest
import torch

from dpf_core.adaptation import adapt_model, extend_pool, most_similar_prompt
from dpf_core.config import ModelConfig
from dpf_core.errors import ConfigError, TaskIdError
from dpf_core.pool_io import load_pool, save_pool
from dpf_core.training.checkpoint import CheckpointStore
from tests import tiny
from tests.core.adapting import (
    ANNEALED,
    HEADS,
    LEARNED,
    NEW,
    OWN,
    PRIVATE,
    SHARED,
    SOURCES,
    adapt,
    appended,
    fit,
    settings,
    source_of,
)
from tests.properties import changed, copy_tensors


@pytest.mark.parametrize(
    ("mode", "moved"),
    [
        ("append", OWN | HEADS),
        ("private", OWN | PRIVATE | HEADS),
        ("joint", OWN | SHARED | HEADS),
    ],
)
def test_training_moves_these_tensors_and_no_bit_of_the_others(world, mode, moved):
    source = source_of(world)
    model = adapt(world, source, mode=mode)
    before, of_source = copy_tensors(model), copy_tensors(source)
    fit(world, model)
    assert changed(before, model) == moved
    assert changed(of_source, source) == set()


@pytest.mark.parametrize("mode", ["append", "private", "joint"])
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


def test_a_private_prompt_starts_without_effect_and_is_added(world):
    source = source_of(world)
    alone, private = (adapt(world, source, mode=mode) for mode in ("append", "private"))
    ids = torch.tensor([0])
    assert torch.equal(private.front_end(ids), alone.front_end(ids))
    with torch.no_grad():
        private.front_end.private_prompts.add_(2.0)
    torch.testing.assert_close(private.front_end(ids), alone.front_end(ids) + 2.0)


def test_a_head_adds_what_the_same_label_of_the_same_task_had_learned_to_add(world):
    source = source_of(world)
    twin = dataclasses.replace(world.specs[0], name="mood-")  # the name's words are the same
    model = adapt_model(
        source, world.backbone, twin, source.config, settings(head_init="similar"),
        torch.Generator(),
    )  # fmt: skip
    found, old = model.heads.delta, source.heads.delta
    assert torch.cdist(found, old).argmin(dim=1).tolist() == [0, 1]
    cosines = model.heads.label_vectors @ source.heads.label_vectors.T  # one task alone has labels
    torch.testing.assert_close(found, torch.softmax(cosines / 0.05, dim=1) @ old)


def test_a_head_starts_at_zero_where_no_task_has_labels(world):
    only_options = dataclasses.replace(world, specs=(world.specs[1],))
    source = only_options.model()
    model = adapt(world, source, head_init="similar")
    assert not model.heads.delta.any()


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
