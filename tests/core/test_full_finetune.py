import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file

from dpf_core.adaptation import AdaptConfig, adapt_model
from dpf_core.backbone.texts import embed_texts
from dpf_core.batching import collate
from dpf_core.config import ModelConfig, TrainConfig
from dpf_core.errors import CheckpointError, ConfigError
from dpf_core.examples import encode_rows
from dpf_core.gym.reader import Row
from dpf_core.model import DPFModel
from dpf_core.pool_io import BACKBONE_FILE, load_pool, save_pool
from dpf_core.training.loop import train
from dpf_core.training.step import accumulate_gradients
from tests import tiny
from tests.properties import changed, copy_tensors, gradients

FULL = {"method": "full_finetune"}
ADAPT = AdaptConfig(mode="joint", row_init="uniform", head_init="zero")
FAMILIES = ["bert", "electra", "roberta", "gpt2", "llama", "t5", "bart"]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory, tiny_gym):
    folder = tmp_path_factory.mktemp("families") / request.param
    return tiny.world(tiny.backbone(folder, request.param), tiny_gym)


def fit(world, model, **changes):
    config = tiny.config(TrainConfig, backbone_learning_rate=0.01, max_steps=4, **changes)
    return train(model, world.train_sets, world.dev_sets, config)


def adapt(world, source, config=None):
    config = source.config if config is None else config
    spec = dataclasses.replace(world.specs[2], name="new")
    return adapt_model(source, world.backbone, spec, config, ADAPT, torch.Generator())


def test_every_weight_is_trained_the_embeddings_too_and_the_given_backbone_stays(family):
    model, given = family.model(**FULL), copy_tensors(family.backbone)
    before = copy_tensors(model)
    fit(family, model)
    named = set(model.trainable_parameters())
    assert {name for name in named if "embed" in name or "shared" in name or "wte" in name}
    assert named <= changed(before, model)
    assert changed(given, family.backbone) == set()
    assert not any(parameter.requires_grad for parameter in family.backbone.parameters())


def test_every_weight_gets_a_gradient(family):
    model = family.model(**FULL)
    accumulate_gradients(model, family.rows(), torch.ones(3))
    unused = {name for name in model.trainable_parameters() if name not in gradients(model)}
    # Keys' biases change no attention weight, whose gradient is zero but for rounding.
    assert {name for name in unused if not name.endswith("bias")} == set()


@pytest.mark.parametrize("family_name", ["bert", "electra", "roberta"])
def test_weights_get_the_same_gradients_through_packed_attention(tmp_path, tiny_gym, family_name):
    found = []
    for attention in ("packed", "eager"):
        backbone = tiny.backbone(tmp_path / family_name, family_name, attention=attention)
        made = tiny.world(backbone, tiny_gym)
        model = made.model(**FULL)
        accumulate_gradients(model, made.rows(), torch.tensor([0.4, 1.9, 0.7]))
        found.append({name: t.grad for name, t in model.trainable_parameters().items()})
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], atol=2e-5, rtol=1e-3, msg=name)


def test_gradients_are_those_of_the_weighted_sum_of_the_tasks_losses(world):
    model, lambdas = world.model(**FULL), torch.tensor([0.4, 1.9, 0.7])
    named = model.trainable_parameters()
    total = torch.zeros(())
    for task in range(3):
        batch, labels = collate(world.rows(task))
        total = total + lambdas[task] * torch.nn.functional.cross_entropy(model(batch), labels)
    expected = torch.autograd.grad(total, list(named.values()), materialize_grads=True)
    accumulate_gradients(model, world.rows(), lambdas)
    for (name, tensor), gradient in zip(named.items(), expected, strict=True):
        torch.testing.assert_close(tensor.grad, gradient, atol=2e-5, rtol=1e-3, msg=name)


def test_before_training_it_scores_as_heads_alone_do(world):
    batch, _ = collate(world.rows(0))
    assert torch.equal(world.model(**FULL)(batch), world.model(method="heads_only")(batch))


def test_a_model_that_is_saved_and_loaded_gives_the_same_bits(family, tmp_path):
    model = family.model(**FULL)
    fit(family, model)
    save_pool(tmp_path / "pool", model, extra={})
    loaded = load_pool(tmp_path / "pool", family.backbone)
    assert changed(copy_tensors(model), loaded) == set()
    batch, _ = collate(family.rows(0, 2))
    assert torch.equal(loaded(batch), model(batch))


def test_the_weights_are_stored_under_the_model_librarys_names(world, tmp_path):
    model = world.model(**FULL)
    save_pool(tmp_path, model, extra={})
    stored = load_file(tmp_path / BACKBONE_FILE)
    assert stored.keys() == load_file(world.backbone.directory / "model.safetensors").keys()
    assert all(torch.equal(stored[name], t) for name, t in model.backbone.model.named_parameters())


@pytest.mark.parametrize("damage", ["flipped", "absent", "unnamed"])
def test_damaged_weights_are_refused_with_their_path(world, tmp_path, damage):
    save_pool(tmp_path, world.model(**FULL), extra={})
    path = tmp_path / BACKBONE_FILE
    if damage == "flipped":
        path.write_bytes(path.read_bytes()[:-1] + b"\x55")
    elif damage == "absent":
        path.unlink()
    else:
        config = json.loads((tmp_path / "config.json").read_text())
        del config["sha256"][BACKBONE_FILE]
        (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"backbone.safetensors\)\. Restore the file"):
        load_pool(tmp_path, world.backbone)


def test_the_meaning_of_labels_and_options_stays_that_of_the_pretrained_weights(world):
    model = world.model(**FULL)
    fit(world, model)
    texts = ["sad", "the warm sun"]
    assert torch.equal(embed_texts(model.backbone, texts), embed_texts(world.backbone, texts))
    row = Row("which can run (A) dog (B) nail", "dog", 1)
    options = [
        encode_rows([row], world.specs[1], 1, backbone).options
        for backbone in (model.backbone, world.backbone)
    ]
    assert torch.equal(*options)


def test_adapting_starts_from_the_sources_weights_and_leaves_them(world):
    source = world.model(**FULL)
    fit(world, source)
    model, before = adapt(world, source), copy_tensors(source)
    assert changed(copy_tensors(source.backbone), model.backbone) == set()
    sets = [dataclasses.replace(part[2], task_id=0) for part in (world.train_sets, world.dev_sets)]
    train(model, sets[:1], sets[1:], tiny.config(TrainConfig))
    assert changed(before, source) == set()


def test_adapting_directly_starts_from_the_pretrained_weights(world):
    config = tiny.config(ModelConfig, **FULL)
    model = adapt(world, None, config)
    assert changed(copy_tensors(model.backbone), world.backbone) == set()


@pytest.mark.parametrize("changes", [{"precision": "bf16"}, {"quantization": "int8"}])
def test_weights_in_another_precision_are_not_trained(world, changes):
    backbone = tiny.backbone(world.backbone.directory)
    backbone.config = dataclasses.replace(backbone.config, **changes)
    with pytest.raises(ConfigError, match=r"precision must be fp32 and .* to train the backbone"):
        dataclasses.replace(world, backbone=backbone).model(**FULL)


def test_a_backbone_of_the_wrong_kind_is_refused(world):
    full, usual = world.model(**FULL), world.model()
    for backbone, model, found in (
        (world.backbone, full, "a frozen one"),
        (full.backbone, usual, "an unfrozen copy"),
    ):
        with pytest.raises(ConfigError, match=f"must be the other kind, got {found}"):
            DPFModel(backbone, model.front_end, model.heads, model.tasks, model.config)
