import pytest
import torch

from dpf_core.fusion import Fusion
from tests.properties import gradients

EMBEDDING = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
COMBINED = torch.randn(2, 2, 4, 8, generator=torch.Generator().manual_seed(2))
TASKS = torch.tensor([2, 0])


def fusion(gate_bias=-1.0):
    made = Fusion(EMBEDDING, gate_bias=gate_bias)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        made.gate_weight.copy_(torch.randn(8, 8, generator=generator))
    return made


def test_an_open_gate_gives_the_task_embedding_at_every_depth_and_position():
    fused = fusion(gate_bias=1e4)(TASKS, COMBINED)
    expected = EMBEDDING[TASKS][:, None, None].expand(2, 2, 4, 8)
    assert torch.equal(fused, expected)


def test_a_closed_gate_gives_the_combined_prompt():
    assert torch.equal(fusion(gate_bias=-1e4)(TASKS, COMBINED), COMBINED)


def test_gate_and_fused_prompt_follow_equations_3_and_4():
    made = fusion()
    for row, task in enumerate(TASKS.tolist()):
        e = EMBEDDING[task].double()
        score = made.gate_weight.double() @ e + made.gate_bias.double()
        g = 1 / (1 + torch.exp(-score))
        expected = g * e + (1 - g) * COMBINED[row].double()
        torch.testing.assert_close(made(TASKS, COMBINED)[row], expected.float())


def test_gate_values_lie_between_0_and_1():
    gate = fusion().gate(torch.arange(3))
    assert gate.shape == (3, 8)
    assert ((gate > 0) & (gate < 1)).all()


def test_at_the_start_all_tasks_have_the_same_gate():
    gate = Fusion(EMBEDDING, gate_bias=-2.0).gate(torch.arange(3))
    assert torch.equal(gate, gate[:1].expand_as(gate))
    assert gate[0, 0].item() == pytest.approx(0.1192, abs=1e-4)  # sigmoid(-2)


def test_a_fused_prompt_lies_between_task_embedding_and_combined_prompt():
    fused, ends = fusion()(TASKS, COMBINED), EMBEDDING[TASKS][:, None, None]
    assert (fused <= torch.maximum(ends, COMBINED) + 1e-6).all()
    assert (fused >= torch.minimum(ends, COMBINED) - 1e-6).all()


def test_gradients_reach_embedding_weight_and_bias_of_the_gate():
    made = fusion()
    made(TASKS, COMBINED).square().sum().backward()
    assert gradients(made) == {"gate_bias", "gate_weight", "task_embedding"}
    assert not made.task_embedding.grad[1].any()  # task 1 is not in the batch


@pytest.mark.parametrize(("mode", "share"), [("none", 0.0), ("mean", 0.5)])
def test_a_constant_gate_lets_the_same_share_of_every_task_embedding_through(mode, share):
    made = Fusion(EMBEDDING, gate_bias=-2.0, mode=mode)
    expected = share * EMBEDDING[TASKS][:, None, None] + (1 - share) * COMBINED
    assert torch.equal(made(TASKS, COMBINED), expected)
    assert torch.equal(made.gate(TASKS), torch.full((2, 8), share))


def test_a_concatenated_task_embedding_stands_before_the_combined_prompt_at_every_depth():
    fused = Fusion(EMBEDDING, gate_bias=-2.0, mode="concatenated")(TASKS, COMBINED)
    assert torch.equal(fused[:, :, 0], EMBEDDING[TASKS][:, None].expand(2, 2, 8))
    assert torch.equal(fused[:, :, 1:], COMBINED)


@pytest.mark.parametrize("mode", ["mean", "concatenated"])
def test_without_a_learned_gate_the_task_embedding_alone_is_trained(mode):
    made = Fusion(EMBEDDING, gate_bias=-2.0, mode=mode)
    made(TASKS, COMBINED).square().sum().backward()
    assert gradients(made) == {"task_embedding"}
