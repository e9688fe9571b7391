import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from dpf_core.batching import collate
from dpf_core.errors import CheckpointError
from dpf_core.files import sha256_file
from dpf_core.pool_io import backbone_config, load_pool, read_pool_config, save_pool
from tests import tiny

EXTRA = {"gym_manifest_sha256": "abc"}
METHODS = {
    "dpf": {"pool", "scheduler_logits", "task_embedding", "gate.weight", "gate.bias"},
    "shared_prompt": {"shared_prompt"},
    "single_task": {"task_prompts"},
    "mpt": {"shared_prompt", "position_factors", "hidden_factors"},
    "heads_only": set(),
}


@pytest.fixture
def folder(world, tmp_path):
    save_pool(tmp_path / "pool", trained(world), extra=EXTRA)
    return tmp_path / "pool"


def trained(world, **changes):
    """A model in which every trainable tensor differs from its start."""
    model = world.model(prompted_depth=2, **changes)
    with torch.no_grad():
        for tensor in model.trainable_parameters().values():
            tensor.add_(torch.randn_like(tensor))
    return model


def edit(folder, change):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def rewrite(folder, change):
    """Change the tensors and let config.json agree with the new file."""
    path = folder / "pool.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, path)
    edit(folder, lambda config: config.update(sha256={path.name: sha256_file(path)}))


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_that_is_saved_and_loaded_gives_the_same_bits(world, tmp_path, method):
    model = trained(world, method=method)
    save_pool(tmp_path, model, extra={})
    loaded = load_pool(tmp_path, tiny.backbone(world.backbone.directory))
    for name, tensor in model.trainable_parameters().items():
        assert torch.equal(loaded.get_parameter(name), tensor), name
    for tasks in ((0, 2), (1,)):
        batch, _ = collate(world.rows(*tasks))
        assert torch.equal(loaded(batch), model(batch))


@pytest.mark.parametrize("method", METHODS)
def test_the_file_holds_these_tensors_and_none_of_the_backbone(world, tmp_path, method):
    save_pool(tmp_path, trained(world, method=method), extra={})
    assert load_file(tmp_path / "pool.safetensors").keys() == METHODS[method] | {
        "head.bias",
        "head.delta",
    }


def test_the_tensors_have_the_documented_shapes(folder):
    shapes = {name: tuple(t.shape) for name, t in load_file(folder / "pool.safetensors").items()}
    assert shapes == {
        "pool": (4, 2, 3, 16), "scheduler_logits": (3, 4), "task_embedding": (3, 16),
        "gate.weight": (16, 16), "gate.bias": (16,), "head.delta": (5, 16), "head.bias": (5,),
    }  # fmt: skip


def test_saving_twice_gives_the_same_bytes(world, folder, tmp_path):
    save_pool(tmp_path / "again", load_pool(folder, world.backbone), extra=EXTRA)
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_the_config_names_tasks_by_id_the_backbone_and_what_was_added(world, folder):
    config = read_pool_config(folder)
    assert [task["id"] for task in config["tasks"]] == [0, 1, 2]
    assert [task["name"] for task in config["tasks"]] == ["mood", "pick", "topic"]
    assert config["tasks"][2]["labels"] == ["animal", "food", "tool"]
    assert config["backbone"]["sha256"] == world.backbone.sha256
    assert config["gym_manifest_sha256"] == "abc"
    assert backbone_config(config) == world.backbone.config


def test_a_pool_of_another_backbone_is_refused_with_both_hashes(world, folder, tmp_path):
    path = tiny.backbone_folder(tmp_path / "other", initializer_range=0.4)
    with pytest.raises(CheckpointError, match="backbone's weights must have SHA-256") as raised:
        load_pool(folder, tiny.backbone(path))
    assert world.backbone.sha256 in str(raised.value)
    assert sha256_file(path / "model.safetensors") in str(raised.value)


@pytest.mark.parametrize("position", [0, 9, -1])
def test_a_flipped_bit_in_the_tensors_is_refused(world, folder, position):
    path = folder / "pool.safetensors"
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"pool.safetensors\)\. Restore the file"):
        load_pool(folder, world.backbone)


@pytest.mark.parametrize("keep", [0, 5, -7])
def test_truncated_tensors_are_refused(world, folder, keep):
    path = folder / "pool.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"pool.safetensors\)\. Restore the file"):
        load_pool(folder, world.backbone)


def test_absent_tensors_are_refused(world, folder):
    (folder / "pool.safetensors").unlink()
    with pytest.raises(CheckpointError, match="got FileNotFoundError"):
        load_pool(folder, world.backbone)


def test_a_missing_tensor_is_refused_by_name(world, folder):
    rewrite(folder, lambda tensors: tensors.pop("gate.bias"))
    with pytest.raises(CheckpointError, match=r"'gate.bias' must be \(16,\), got none"):
        load_pool(folder, world.backbone)


def test_a_tensor_of_another_shape_is_refused_with_both_shapes(world, folder):
    rewrite(folder, lambda tensors: tensors.update(pool=torch.zeros(4, 1, 3, 16)))
    with pytest.raises(CheckpointError, match=r"\(4, 2, 3, 16\), got \(4, 1, 3, 16\)"):
        load_pool(folder, world.backbone)


def test_a_tensor_that_the_model_does_not_have_is_refused(world, folder):
    rewrite(folder, lambda tensors: tensors.update(poll=torch.zeros(1)))
    with pytest.raises(CheckpointError, match="got an unknown 'poll'"):
        load_pool(folder, world.backbone)


def test_another_number_of_labels_is_refused(world, folder):
    edit(folder, lambda config: config["tasks"][0].update(labels=["a"], label_texts=["a"]))
    with pytest.raises(CheckpointError, match=r"'head.bias' must be \(4,\), got \(5,\)"):
        load_pool(folder, world.backbone)


CONFIGS = {
    "no file": None, "no text": b"\xff", "no JSON": b"{", "no object": b"[]", "no format": b"{}",
}  # fmt: skip


@pytest.mark.parametrize("data", CONFIGS.values(), ids=CONFIGS)
def test_a_config_that_cannot_be_read_is_refused_with_its_path(folder, data):
    path = folder / "config.json"
    path.unlink() if data is None else path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"config.json\)\. Train the pool again"):
        read_pool_config(folder)


@pytest.mark.parametrize("key", ["backbone", "model", "tasks", "sha256"])
def test_a_config_without_one_of_its_parts_is_refused_by_name(world, folder, key):
    edit(folder, lambda config: config.pop(key))
    with pytest.raises(CheckpointError, match=key):
        load_pool(folder, world.backbone)


def test_a_setting_of_the_model_that_is_unknown_is_refused(world, folder):
    edit(folder, lambda config: config["model"].update(pool_sise=3))
    with pytest.raises(CheckpointError, match="Did you mean 'pool_size'"):
        load_pool(folder, world.backbone)


def test_settings_that_do_not_fit_the_backbone_are_refused_with_the_pools_file(world, folder):
    edit(folder, lambda config: config["model"].update(prompt_length=300))
    with pytest.raises(CheckpointError, match=r"config.json: prompt_length \+ max_length must be"):
        load_pool(folder, world.backbone)


def test_a_failed_save_leaves_the_earlier_pool(world, folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_pool(folder, trained(world), extra={})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_backbone_of_the_same_weights_and_another_configuration_is_refused(
    world, folder, tmp_path
):
    other = shutil.copytree(world.backbone.directory, tmp_path / "other")
    assert load_pool(folder, tiny.backbone(other))
    path = other / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_attention_heads": 1}))
    with pytest.raises(CheckpointError, match=r"config.json and tokenizer must have SHA-256 .*got"):
        load_pool(folder, tiny.backbone(other))


def test_a_pool_of_before_that_says_nothing_of_them_is_read(world, folder):
    edit(folder, lambda config: config["backbone"].pop("settings_sha256"))
    assert load_pool(folder, world.backbone)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.update(model=None), lambda config: config.update(tasks=None),
        lambda config: config["tasks"][0].update(name=5),
        lambda config: config["tasks"][0].update(labels=[1, 2]),
        lambda config: config["tasks"][0].update(label_texts="happy"),
        lambda config: config["tasks"][0].update(label_texts=["happy"]),
        lambda config: config["tasks"][0].update(kind="classifcation"),
        lambda config: config["tasks"][0].update(metric="F1"),
        lambda config: config["tasks"][0].update(name="topic"),
    ],
)  # fmt: skip
def test_a_part_of_another_type_is_refused_in_a_sentence(world, folder, change):
    edit(folder, change)
    with pytest.raises(CheckpointError, match=r"config.json must be complete"):
        load_pool(folder, world.backbone)


def test_a_config_that_is_nested_too_deeply_is_refused(folder):
    (folder / "config.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match=r"must have a readable config.json"):
        read_pool_config(folder)
