import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpf_core.backbone.alignment import aligned, put_back

masks = st.integers(1, 6).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, 1), min_size=width, max_size=width), min_size=1, max_size=4
    )
)
sides = pytest.mark.parametrize("side", ["left", "right"])


def moved_slowly(values, mask, side):
    """Row by row: real tokens in their order, and padding, in its order, on one side of them."""
    rows, masks = [], []
    for row, real in zip(values, mask.bool(), strict=True):
        parts = [row[~real], row[real]] if side == "left" else [row[real], row[~real]]
        rows.append(torch.cat(parts))
        ones, zeros = [1] * int(real.sum()), [0] * int((~real).sum())
        masks.append(zeros + ones if side == "left" else ones + zeros)
    return torch.stack(rows), torch.tensor(masks)


@sides
@given(masks)
def test_padding_anywhere_goes_to_one_side_as_a_slow_reference_moves_it(side, rows):
    mask = torch.tensor(rows)
    values = torch.randn(*mask.shape, 3)
    found, expected = aligned(values, mask, side=side), moved_slowly(values, mask, side)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


@sides
@given(masks)
def test_moved_tokens_are_put_back_where_they_came_from(side, rows):
    mask = torch.tensor(rows)
    values = torch.randn(*mask.shape, 3)
    moved, _, source = aligned(values, mask, side=side)
    assert torch.equal(put_back(moved, source), values)


@sides
def test_a_batch_that_is_aligned_stays_as_it_is(side):
    mask = torch.tensor([[0, 0, 1], [0, 1, 1], [1, 1, 1]])
    mask = mask if side == "left" else mask.flip(1)
    values = torch.randn(3, 3, 2)
    moved, moved_mask, _ = aligned(values, mask, side=side)
    assert torch.equal(moved, values)
    assert torch.equal(moved_mask, mask)


@sides
def test_a_gradient_comes_back_to_its_own_token(side):
    values = torch.randn(2, 4, 3, requires_grad=True)
    mask = torch.tensor([[0, 1, 0, 1], [1, 0, 0, 1]])
    moved, moved_mask, _ = aligned(values, mask, side=side)
    (moved * moved_mask.unsqueeze(-1)).sum().backward()
    assert torch.equal(values.grad, mask.unsqueeze(-1).expand(-1, -1, 3).float())
