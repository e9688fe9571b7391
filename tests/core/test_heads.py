import pytest
import torch

from dpf_core.backbone.frozen import mean_over_tokens
from dpf_core.errors import ShapeError, TaskIdError
from dpf_core.heads import HeadSpec, LabelTextHeads
from tests.properties import gradients

VECTORS = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
POOLED = torch.randn(2, 8, generator=torch.Generator().manual_seed(2))


def spec(name, *labels):
    kind = "classification" if labels else "multiple_choice"
    return HeadSpec(
        name=name, kind=kind, labels=labels, label_texts=labels, metric="ACC", description=""
    )


def heads():
    specs = [spec("mood", "sad", "happy"), spec("pick"), spec("topic", "animal", "food", "tool")]
    return LabelTextHeads(specs, VECTORS, scale=4.0)


def cosine(x, y):
    return float(x.double() @ y.double() / (x.double().norm() * y.double().norm()))


def test_an_untrained_head_is_the_scaled_cosine_of_text_and_label():
    logits = heads()(POOLED, torch.tensor([2, 0]))
    assert logits[0].tolist() == pytest.approx([4 * cosine(POOLED[0], v) for v in VECTORS[2:]])
    assert logits[1, :2].tolist() == pytest.approx([4 * cosine(POOLED[1], v) for v in VECTORS[:2]])


def test_delta_and_bias_enter_as_the_docstring_says():
    made = heads()
    with torch.no_grad():
        made.delta.normal_()
        made.bias.normal_()
    z, label = torch.nn.functional.normalize(POOLED[0], dim=0), VECTORS[3] / VECTORS[3].norm()
    expected = 4 * z @ (label + made.delta[3]) + made.bias[3]
    torch.testing.assert_close(made(POOLED[:1], torch.tensor([2]))[0, 1], expected)


def test_a_label_that_a_task_does_not_have_scores_minus_infinity():
    logits = heads()(POOLED, torch.tensor([0, 2]))
    assert torch.isneginf(logits).tolist() == [[False, False, True], [False, False, False]]


def test_the_length_of_the_text_vector_does_not_matter():
    ids = torch.tensor([0, 2])
    torch.testing.assert_close(heads()(POOLED * 100, ids), heads()(POOLED, ids))


def test_options_are_scored_by_their_own_vectors_and_absent_ones_by_minus_infinity():
    options = torch.nn.functional.normalize(torch.randn(2, 3, 8), dim=-1)
    options[1, 2] = 0
    logits = heads()(POOLED, torch.tensor([1, 1]), options)
    assert logits[0, 2].item() == pytest.approx(4 * cosine(POOLED[0], options[0, 2]), rel=1e-5)
    assert torch.isneginf(logits).tolist() == [[False] * 3, [False, False, True]]


def test_a_multiple_choice_task_without_options_is_refused():
    with pytest.raises(TaskIdError, match="needs the vectors of its options"):
        heads()(POOLED, torch.tensor([0, 1]))


def test_label_vectors_must_be_one_a_label():
    with pytest.raises(ShapeError, match=r"must be \[2, H\], one row a label, got \(5, 8\)"):
        LabelTextHeads([spec("mood", "sad", "happy")], VECTORS, scale=4.0)


def test_gradients_reach_the_labels_of_the_task_alone():
    made = heads()
    made(POOLED[:1], torch.tensor([0]))[0, :2].square().sum().backward()
    assert gradients(made) == {"bias", "delta"}
    assert made.bias.grad.ne(0).tolist() == [True, True, False, False, False]
    assert not made.delta.grad[2:].any()


def test_the_mean_is_over_the_real_tokens_alone():
    hidden, mask = torch.randn(2, 4, 8), torch.tensor([[1, 1, 0, 0], [0, 1, 1, 1]])
    expected = torch.stack([hidden[0, :2].mean(dim=0), hidden[1, 1:].mean(dim=0)])
    torch.testing.assert_close(mean_over_tokens(hidden, mask), expected)
