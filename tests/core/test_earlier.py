import dataclasses
import hashlib

import pytest
import torch

from dpf_core.adaptation import extend_pool
from dpf_core.batching import collate
from dpf_core.errors import CheckpointError, ConfigError
from dpf_core.export.peft_adapter import export_adapters
from dpf_core.files import sha256_file
from dpf_core.pool_io import load_pool, read_pool_config, save_pool
from tests import properties, tiny
from tests.core.adapting import appended


@pytest.fixture
def train(world, tmp_path):
    """Write a pool in which every tensor differs from its start, and return its model."""

    def written(folder=tmp_path / "pool", **changes):
        model = world.model(**changes)
        with torch.no_grad():
            for name, tensor in model.trainable_parameters().items():
                tensor.add_(torch.randn_like(tensor), alpha=0.1 if "temperature" in name else 1)
        save_pool(folder, model, extra={})
        return model

    return written


def start(world, folder, **changes):
    return world.model(init_from=str(folder), **changes)


def only(world, *names, **changes):
    """The world with these tasks alone, in this order; the changes are of every task."""
    specs = {spec.name: spec for spec in world.specs}
    chosen = [specs.get(name, dataclasses.replace(world.specs[0], name=name)) for name in names]
    tasks = tuple(dataclasses.replace(spec, **changes) for spec in chosen)
    return dataclasses.replace(world, specs=tasks)


def test_the_first_prompts_of_a_pool_are_the_adapters_in_name_order(world, tmp_path):
    earlier = world.model()
    export_adapters(earlier, tmp_path)
    found = start(world, tmp_path).front_end.pool.prompts
    assert torch.equal(found[:3], earlier.front_end(torch.arange(3)))
    assert torch.equal(found[3:], world.model().front_end.pool.prompts[3:])


def test_everything_but_the_prompts_starts_as_without_adapters(world, tmp_path):
    export_adapters(world.model(), tmp_path)
    before = properties.copy_tensors(world.model(seed=5))
    found = start(world, tmp_path, seed=5)
    assert properties.changed(before, found) == {"front_end.pool.prompts"}


def test_adapters_give_the_input_layer_and_deeper_layers_start_as_usual(world, tmp_path):
    export_adapters(world.model(), tmp_path)
    found, usual = (
        model.front_end.pool.prompts
        for model in (start(world, tmp_path, prompted_depth=2), world.model(prompted_depth=2))
    )
    assert torch.equal(found[:3, 0], world.model().front_end(torch.arange(3))[:, 0])
    assert torch.equal(found[:, 1], usual[:, 1])


def test_a_shared_prompt_starts_from_one_adapter(world, tmp_path):
    export_adapters(world.model(), tmp_path)
    found = start(world, tmp_path / "pick", method="shared_prompt").front_end.prompt
    assert torch.equal(found, world.model().front_end(torch.tensor([1]))[0])


@pytest.mark.parametrize("changes", [{"pool_size": 2}, {"method": "shared_prompt"}])
def test_more_adapters_than_prompts_are_refused(world, tmp_path, changes):
    export_adapters(world.model(), tmp_path)
    with pytest.raises(ConfigError, match=r"must be at most [12], .*, got 3"):
        start(world, tmp_path, **changes)


def test_a_model_without_prompts_cannot_start_from_adapters(world, tmp_path):
    export_adapters(world.model(), tmp_path)
    with pytest.raises(ConfigError, match="got 'heads_only'"):
        start(world, tmp_path, method="heads_only")


@pytest.mark.parametrize(
    "method", ["dpf", "shared_prompt", "single_task", "mpt", "heads_only", "full_finetune"]
)
def test_a_pool_of_the_same_tasks_goes_on_where_the_earlier_one_ended(
    world, train, tmp_path, method
):
    earlier = train(method=method)
    found = start(world, tmp_path / "pool", method=method)
    assert properties.changed(properties.copy_tensors(earlier), found) == set()


def test_a_task_of_both_pools_keeps_its_scores_whatever_its_id(world, train, tmp_path):
    earlier = train()
    found = start(only(world, "topic", "new", "mood"), tmp_path / "pool")
    for earlier_id, task_id in {0: 2, 2: 0}.items():
        batch, _ = collate(world.rows(earlier_id))
        moved = dataclasses.replace(batch, task_ids=torch.full_like(batch.task_ids, task_id))
        width = len(world.specs[earlier_id].labels)
        torch.testing.assert_close(found(moved)[:, :width], earlier(batch)[:, :width])


def test_a_new_task_starts_as_without_an_earlier_pool(world, train, tmp_path):
    train()
    new = only(world, "topic", "new")
    found, usual = start(new, tmp_path / "pool"), new.model()
    for name in ("scheduler.scheduler_logits", "fusion.task_embedding"):
        rows = [model.front_end.get_parameter(name)[1] for model in (found, usual)]
        assert torch.equal(*rows)
    assert not found.heads.delta[found.heads.label_rows(1)].any()
    assert not found.heads.bias[found.heads.label_rows(1)].any()


@pytest.mark.parametrize("mode", ["fixed", "learned"])
def test_another_temperature_keeps_the_mixing_weights_of_earlier_tasks(
    world, train, tmp_path, mode
):
    earlier, ids = train(temperature_mode=mode), torch.arange(3)
    found = start(world, tmp_path / "pool", temperature=0.4)
    torch.testing.assert_close(found.front_end(ids), earlier.front_end(ids))
    assert found.front_end.scheduler.temperature == 0.4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", "shared_prompt"), ("prompt_length", 5), ("prompted_depth", 2),
        ("pool_size", 6), ("head_scale", 8.0),
    ],
)  # fmt: skip
def test_a_pool_of_other_settings_is_refused_with_both_values(world, train, tmp_path, name, value):
    usual = getattr(train().config, name)
    with pytest.raises(CheckpointError, match=rf"model.{name} {value} .*, got {usual} "):
        start(world, tmp_path / "pool", **{name: value})


@pytest.mark.parametrize(
    ("method", "without_effect"),
    [("shared_prompt", "pool_size"), ("single_task", "pool_size"), ("heads_only", "prompt_length")],
)
def test_a_setting_without_effect_may_be_another(world, train, tmp_path, method, without_effect):
    train(method=method)
    assert start(world, tmp_path / "pool", method=method, **{without_effect: 5}).origin


def test_a_pool_of_another_backbone_is_refused_with_both_hashes(world, train, tmp_path):
    train()
    path = tiny.backbone_folder(tmp_path / "other", initializer_range=0.4)
    other = dataclasses.replace(world, backbone=tiny.backbone(path))
    with pytest.raises(CheckpointError, match=f"got {other.backbone.sha256}") as raised:
        start(other, tmp_path / "pool")
    assert world.backbone.sha256 in str(raised.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ("happy", "sad")}, {"label_texts": ("down", "up")},
        {"kind": "multiple_choice", "labels": (), "label_texts": ()},
    ],
)  # fmt: skip
def test_a_task_that_is_another_under_the_same_name_is_refused(world, train, tmp_path, changes):
    train()
    with pytest.raises(CheckpointError, match=r"of task 'mood' must be .*, got .*Rename the task"):
        start(only(world, "mood", **changes), tmp_path / "pool")


def test_heads_alone_without_a_task_in_common_are_refused(world, train, tmp_path):
    train(method="heads_only")
    with pytest.raises(ConfigError, match=r"must share a task .*, got none of mood, pick"):
        start(only(world, "new"), tmp_path / "pool", method="heads_only")


@pytest.mark.parametrize("name", ["nowhere", "empty", "file"])
def test_a_folder_that_is_neither_pool_nor_adapter_is_refused(world, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"init_from must be the folder of .*, got .*Correct it"):
        start(world, tmp_path / name)


def test_adapters_below_a_pool_are_not_taken_for_it(world, train, tmp_path):
    export_adapters(train(), tmp_path / "pool")
    assert start(world, tmp_path / "pool").origin["kind"] == "pool"


def test_the_pool_says_what_it_started_from_and_loads_without_it(world, tmp_path):
    export_adapters(world.model(), tmp_path / "adapters")
    save_pool(tmp_path / "pool", start(world, tmp_path / "adapters"), extra={})
    lines = [
        f"{task}/{file} {sha256_file(tmp_path / 'adapters' / task / file)}\n"
        for task in ("mood", "pick", "topic")
        for file in ("adapter_config.json", "adapter_model.safetensors")
    ]
    assert read_pool_config(tmp_path / "pool")["init_from"] == {
        "kind": "adapters", "prompts": ["mood", "pick", "topic"],
        "sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
    }  # fmt: skip
    (tmp_path / "adapters").rename(tmp_path / "moved")
    save_pool(tmp_path / "again", load_pool(tmp_path / "pool", world.backbone), extra={})
    again, first = (tmp_path / name / "config.json" for name in ("again", "pool"))
    assert again.read_bytes() == first.read_bytes()


def test_a_pool_that_started_anew_says_nothing_of_a_start(world, train, tmp_path):
    assert train().origin is None
    assert "init_from" not in read_pool_config(tmp_path / "pool")


def test_the_hash_of_a_start_changes_with_its_content_and_not_with_its_place(
    world, train, tmp_path
):
    train()
    train(tmp_path / "other", seed=4)
    first = start(world, tmp_path / "pool").origin
    (tmp_path / "pool").rename(tmp_path / "moved")
    assert start(world, tmp_path / "moved").origin == first
    assert start(world, tmp_path / "other").origin["sha256"] != first["sha256"]


def test_a_pool_with_private_prompts_is_refused_by_name(world, tmp_path):
    joined = extend_pool(*appended(world, "private"))
    save_pool(tmp_path / "joined", joined, extra={})
    with pytest.raises(CheckpointError, match=r"without private prompts.*joined.*before they join"):
        start(world, tmp_path / "joined", **joined_settings(joined))


def joined_settings(model):
    names = ("method", "prompt_length", "prompted_depth", "pool_size", "gate_mode")
    return {name: getattr(model.config, name) for name in names}
