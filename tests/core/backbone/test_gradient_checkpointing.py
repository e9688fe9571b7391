"""Layers that run again in the backward pass: less is kept, and the bits are the same."""

import pytest
import torch

from dpf_core.batching import collate
from dpf_core.training.step import accumulate_gradients


def gradients(world, depth, *, recomputes):
    """Gradients of every trainable tensor after one step on rows of every kind."""
    model = world.model(prompted_depth=depth)
    model.backbone.recomputes_layers = recomputes
    try:
        result = accumulate_gradients(model, world.rows(), torch.ones(len(model.tasks)))
    finally:
        model.backbone.recomputes_layers = False
    named = model.trainable_parameters().items()
    return {name: tensor.grad for name, tensor in named}, result


def kept_bytes(world, *, recomputes):
    """Bytes that a forward pass keeps for the backward pass, each storage once."""
    model, kept = world.model(), {}
    batch, _ = collate(world.rows(0))
    model.backbone.recomputes_layers = recomputes

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    try:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            scores = model(batch)
    finally:
        model.backbone.recomputes_layers = False
    weights = {p.untyped_storage().data_ptr() for p in model.backbone.parameters()}
    assert scores.requires_grad
    return sum(size for pointer, size in kept.items() if pointer not in weights)


@pytest.mark.parametrize("depth", [1, 2])
def test_losses_and_gradients_have_the_same_bits(any_world, depth):
    expected, kept = gradients(any_world, depth, recomputes=False)
    found, recomputed = gradients(any_world, depth, recomputes=True)
    assert torch.equal(recomputed.losses, kept.losses)
    assert torch.equal(recomputed.gradient_norms, kept.gradient_norms)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        assert torch.equal(found[name], gradient), name


def test_less_is_kept_for_the_backward_pass(any_world):
    # an encoder-decoder's decoder, which reads short answers, keeps what it computes
    assert kept_bytes(any_world, recomputes=True) < 0.7 * kept_bytes(any_world, recomputes=False)


def test_layers_are_as_before_after_a_pass_and_after_a_failed_one(any_world):
    model = any_world.model()
    model.backbone.recomputes_layers = True
    batch, _ = collate(any_world.rows(0))
    try:
        model(batch)
        with pytest.raises((RuntimeError, ValueError, IndexError)):
            model.backbone.encode(torch.zeros(1, 2, 3), torch.ones(1, 2, dtype=torch.int64))
    finally:
        model.backbone.recomputes_layers = False
    assert not any("forward" in vars(layer) for layer in model.backbone._layers)


def test_a_forward_that_a_library_has_put_on_a_layer_stays(world, monkeypatch):
    model = world.model()
    layer = model.backbone._layers[0]
    hooked = layer.forward
    monkeypatch.setattr(layer, "forward", hooked)
    monkeypatch.setattr(model.backbone, "recomputes_layers", True)
    model(collate(world.rows(0))[0])
    assert vars(layer)["forward"] is hooked
