"""Assertions and measurements that several test files share."""

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dpf_core.model import Batch


def copy_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return a copy of every parameter and buffer."""
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def changed(before: Mapping[str, Tensor], module: nn.Module) -> set[str]:
    """Return the names of the tensors whose bits differ from the copy."""
    after = module.state_dict()
    assert after.keys() == before.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def assert_rows_sum_to_one(mixing: Tensor) -> None:
    assert (mixing >= 0).all()
    torch.testing.assert_close(mixing.sum(dim=-1), torch.ones(mixing.shape[:-1]))


def relative_difference(found: Tensor, expected: Tensor) -> float:
    """Return the largest |found - expected| / |expected|."""
    return float(((found - expected).abs() / expected.abs()).max())


def gradients(module: nn.Module) -> set[str]:
    """Return the names of the parameters with a gradient that is not zero."""
    named = module.named_parameters()
    return {name for name, p in named if p.grad is not None and bool(p.grad.any())}


def pad(batch: Batch, *, left: int = 0, right: int = 0) -> Batch:
    """Return the batch with more padding; the padding's token ids are any, as masks hide them."""
    count = len(batch.input_ids)
    ids = [torch.full((count, n), 6) for n in (left, right)]
    hidden = [torch.zeros(count, n, dtype=torch.int64) for n in (left, right)]
    return dataclasses.replace(
        batch,
        input_ids=torch.cat([ids[0], batch.input_ids, ids[1]], dim=1),
        attention_mask=torch.cat([hidden[0], batch.attention_mask, hidden[1]], dim=1),
    )
