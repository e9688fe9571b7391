from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dpf_core.backbone.loading import load_backbone
from dpf_core.backbone.packing import make_packing, packed_attention
from tests import tiny

FAMILIES = ["bert", "electra", "roberta"]
MASK = torch.tensor(
    [[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0], [1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 1]]
)


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request, tmp_path_factory):
    """The same backbone with packed attention and with the model library's own."""
    packed = tiny.backbone(tmp_path_factory.mktemp("packing") / request.param, request.param)
    return packed, load_backbone(replace(packed.config, attention="eager"))


masks = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 40), st.integers(0, 3)), min_size=1, max_size=7
).map(
    lambda spans: torch.nn.utils.rnn.pad_sequence(
        [torch.tensor([0] * left + [1] * real + [0] * right) for left, real, right in spans],
        batch_first=True,
    )
)


@given(masks)
def test_unpacking_gives_back_every_real_token_and_zeros_at_padding(mask):
    values = torch.randn(*mask.shape, 3)
    packing = make_packing(mask)
    assert torch.equal(packing.unpack(packing.pack(values)), values * mask.unsqueeze(-1))


@given(masks)
def test_groups_cover_the_packed_row_without_gap_and_with_little_padding(mask):
    groups = make_packing(mask).groups
    assert [g.start for g in groups] == [0, *[g.stop for g in groups[:-1]]]
    assert groups[-1].stop == int(mask.sum())
    for group in groups:
        real = (~group.padding).sum(dim=-1).flatten()
        assert int(real.sum()) == group.stop - group.start == len(group.places)
        assert bool((real > group.shape[1] - 16).all())


@settings(max_examples=30)
@given(masks)
def test_packed_attention_and_its_gradients_equal_autograd_through_each_sequence(mask):
    torch.manual_seed(int(mask.sum()))
    packing, heads, size = make_packing(mask), 2, 4
    inputs = [
        torch.randn(1, heads, int(mask.sum()), size, dtype=torch.float64, requires_grad=True)
        for _ in range(3)
    ]
    found, _ = packed_attention(None, *inputs, None, scaling=0.5, packing=packing)
    lengths = mask.sum(dim=1).sort(stable=True).values.tolist()
    parts = zip(*(tensor.split(lengths, dim=2) for tensor in inputs), strict=True)
    slow = torch.cat(
        [((q @ k.transpose(2, 3) * 0.5).softmax(-1) @ v).transpose(1, 2) for q, k, v in parts],
        dim=1,
    )
    torch.testing.assert_close(found, slow)
    outer = torch.randn_like(found)
    for one, other in zip(
        torch.autograd.grad(found, inputs, outer), torch.autograd.grad(slow, inputs, outer),
        strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("depth", [1, 2])
def test_hidden_states_and_prompt_gradients_equal_the_model_librarys_attention(pair, depth):
    torch.manual_seed(3)
    embeds = torch.randn(4, 6, 16, requires_grad=True)
    prompts = torch.randn(4, depth - 1, 1, 16, requires_grad=True) if depth > 1 else None
    outer = torch.randn(4, 6, 16) * MASK.unsqueeze(-1)
    results = []
    for backbone in pair:
        hidden = backbone.encode(embeds, MASK, prompts)
        wanted = [embeds] if prompts is None else [embeds, prompts]
        gradients = torch.autograd.grad((hidden * outer).sum(), wanted)
        results.append((hidden * MASK.unsqueeze(-1), *gradients))
    for packed, library in zip(*results, strict=True):
        torch.testing.assert_close(packed, library, rtol=1e-4, atol=1e-5)


def test_packed_attention_gives_the_same_bits_twice(pair):
    embeds = torch.randn(4, 6, 16, requires_grad=True)
    runs = []
    for _ in range(2):
        hidden = pair[0].encode(embeds, MASK)
        runs.append((hidden, *torch.autograd.grad(hidden.square().sum(), embeds)))
    assert all(torch.equal(one, other) for one, other in zip(*runs, strict=True))


def test_prompts_that_the_next_layer_replaces_are_dropped_behind_attention(pair):
    embeds, prompts = torch.randn(4, 6, 16), torch.randn(4, 1, 1, 16)
    packed, eager = (_tokens_of_feed_forward(backbone, embeds, prompts) for backbone in pair)
    real = int(MASK.sum())
    assert packed == [real - 4, real]
    assert eager == [24, 24]


def _tokens_of_feed_forward(backbone, embeds, prompts):
    """Return how many tokens each layer's feed-forward part reads."""
    seen = []

    def keep(_, args):
        seen.append(args[0].shape[:-1].numel())

    handles = [layer.intermediate.register_forward_pre_hook(keep) for layer in backbone._layers]
    backbone.encode(embeds, MASK, prompts)
    for handle in handles:
        handle.remove()
    return seen
