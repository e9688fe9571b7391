import dataclasses

import pytest
import torch

from dpf_core.adaptation import adapt_model, extend_pool
from dpf_core.batching import collate
from dpf_core.errors import ConfigError
from dpf_core.pool_io import load_pool, save_pool
from tests import tiny
from tests.core.adapting import (
    ANNEALED,
    LEARNED,
    NEW,
    SOURCES,
    adapt,
    appended,
    fit,
    settings,
    source_of,
)


@pytest.mark.parametrize(
    "changes",
    [{}, LEARNED, ANNEALED, {"prompted_depth": 2}, {"mode": "private", "prompted_depth": 2}],
)
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


@pytest.mark.parametrize(
    "changes",
    [{}, LEARNED, ANNEALED, {"prompted_depth": 2}, {"mode": "private", "prompted_depth": 2}],
)
def test_the_task_that_joins_keeps_its_bits_too(world, changes):
    source, adapted = appended(world, **changes)
    joined = extend_pool(source, adapted)
    batch, _ = collate(world.rows(NEW))
    alone = dataclasses.replace(batch, task_ids=torch.zeros_like(batch.task_ids))
    assert torch.equal(joined(batch), adapted(alone))


@pytest.mark.parametrize("mode", ["append", "private"])
def test_a_joined_pool_that_is_saved_and_loaded_gives_the_same_bits(world, tmp_path, mode):
    source, adapted = appended(world, mode)
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


@pytest.mark.parametrize("modes", [("append", "append"), ("append", "private"),
                                   ("private", "append"), ("private", "private")])  # fmt: skip
def test_a_pool_can_grow_again_and_again(world, modes):
    source, adapted = appended(world, modes[0])
    joined = extend_pool(source, adapted)
    spec = dataclasses.replace(world.specs[NEW], name="again")
    second = adapt_model(
        joined, world.backbone, spec, joined.config, settings(mode=modes[1]), torch.Generator()
    )
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


def test_a_task_without_the_texts_that_earlier_prompts_started_from_joins(world, tmp_path):
    specs = [dataclasses.replace(spec, description="") for spec in world.specs[NEW:]]
    silent = dataclasses.replace(world, specs=(*world.specs[:NEW], *specs))
    source = source_of(silent, pool_init="task_text", task_embedding_init="task_text")
    names = {"pool_init": "vocabulary", "task_embedding_init": "name"}
    adapted = adapt(silent, source, dataclasses.replace(source.config, **names))
    joined = extend_pool(source, adapted)
    save_pool(tmp_path, joined, extra={})
    loaded, ids = load_pool(tmp_path, world.backbone), torch.arange(3)
    assert loaded.config == joined.config == source.config
    assert torch.equal(loaded.front_end(ids), joined.front_end(ids))
