"""ONNX Runtime against torch on real rows, and that a disagreement is found and named."""

import shutil

import pytest
import tokenizers
import torch

from dpf_core.config import ExportConfig
from dpf_core.errors import ExportError, GymError
from dpf_core.export import checked_export
from dpf_core.export.checked_export import export_and_compare, sample_examples
from dpf_core.export.compare import check_tolerance, compare_with_torch, row_differences
from dpf_core.export.onnx_export import portable_tokenizer
from tests import tiny
from tests.core.conftest import EXPORTS

TOLERANCE = 1e-4  # of ExportConfig; fp32 sums in another order differ by about 1e-6
CPU = "CPUExecutionProvider"


@pytest.fixture(scope="module")
def examples(world, tiny_gym):
    return sample_examples(world.model(), tiny_gym, exported_tokenizer(world.backbone), 7)


def exported_tokenizer(backbone):
    return tokenizers.Tokenizer.from_str(portable_tokenizer(backbone))


def compare(model, folder, examples):
    return compare_with_torch(model, folder, examples, provider=CPU, num_threads=1)


@pytest.mark.parametrize("variant", EXPORTS)
def test_every_task_gives_the_same_in_onnx_runtime_and_torch(world, exported, examples, variant):
    comparison = compare(world.model(**EXPORTS[variant][1]), exported(variant), examples)
    assert comparison.tasks.keys() == {"mood", "pick", "topic"}
    assert comparison.max_abs_diff < TOLERANCE


def test_all_outputs_are_compared_at_both_batch_sizes_lengths_and_sides(world, exported, examples):
    comparison = compare(world.model(), exported("dpf"), examples)
    prompts = {f"fused prompt, {size}" for size in ("batch 1", "batch 7", "all tasks")}
    inputs = {
        f"{name}, {size}, longest row + {extra}, {side} padding"
        for name in ("inputs_embeds", "prompted_attention_mask")
        for size in ("batch 1", "batch 7", "all tasks")
        for extra in (0, 5)
        for side in ("left", "right")
    }
    outputs = {
        f"{name}, {case} padding"
        for name in ("hidden states", "logits")
        for case in ("batch 1, longest row + 0, right", "batch 7, longest row + 5, left")
    } | {"hidden states, all tasks, longest row + 5, left padding"}
    assert comparison.cases.keys() == prompts | inputs | outputs


def test_a_bfloat16_backbone_is_exported_and_compared_in_float32(
    backbone_folder, tiny_gym, tmp_path
):
    rounded = tiny.world(tiny.backbone(backbone_folder, precision="bf16"), tiny_gym)
    model = rounded.model()
    metrics = export_and_compare(
        model, tiny_gym, tmp_path, config=tiny.config(ExportConfig), num_threads=1, extra={}
    )
    assert metrics["max_abs_diff"] < TOLERANCE
    assert rounded.backbone.word_embeddings.weight.dtype == torch.bfloat16


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_a_language_model_agrees_on_texts_with_their_options(family, tiny_gym, tmp_path):
    folder = tmp_path / family
    sizes = {"max_position_embeddings": 99} if family == "gpt2" else {}  # options take places
    tiny.backbone_folder(folder, family, **sizes)
    backbone = tiny.backbone(folder, family, max_length=64)
    model = tiny.world(backbone, tiny_gym).model()
    metrics = export_and_compare(
        model, tiny_gym, tmp_path / "onnx", config=tiny.config(ExportConfig), num_threads=1,
        extra={},
    )  # fmt: skip
    assert metrics["max_abs_diff"] < TOLERANCE


def test_a_disagreement_names_the_task_the_difference_and_the_tolerance(world, exported, examples):
    model = world.model()
    with torch.no_grad():
        model.front_end.scheduler.scheduler_logits[2] += torch.arange(4.0)
    comparison = compare(model, exported("dpf"), examples)
    assert {name for name, gap in comparison.tasks.items() if gap > TOLERANCE} == {"topic"}
    with pytest.raises(ExportError, match=r"at most 0.0001, got .* task 'topic' \(1 of 3 tasks"):
        check_tolerance(comparison, TOLERANCE)


def test_a_failed_comparison_leaves_the_earlier_export(
    world, exported, tiny_gym, tmp_path, monkeypatch
):
    def copy_export(model, folder, **_):
        shutil.copytree(exported("dpf"), folder, dirs_exist_ok=True)

    monkeypatch.setattr(checked_export, "write_export", copy_export)
    (tmp_path / "manifest.json").write_text("earlier")
    config = tiny.config(ExportConfig, tolerance=1e-300)
    with pytest.raises(ExportError, match="must differ by at most 1e-300"):
        export_and_compare(
            world.model(), tiny_gym, tmp_path, config=config, num_threads=1, extra={}
        )
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
    assert (tmp_path / "manifest.json").read_text() == "earlier"


def test_a_gym_without_the_models_task_is_refused(world, tmp_path):
    mood = {"mood": tiny.TASKS["mood"]}
    other = tiny.gym(tmp_path, mood)
    with pytest.raises(GymError, match="'pick'"):
        sample_examples(world.model(), other, exported_tokenizer(world.backbone), 2)


def test_a_tokenizer_that_gives_other_ids_is_refused(world, tiny_gym):
    other = exported_tokenizer(world.backbone)
    other.enable_truncation(4)
    with pytest.raises(ExportError, match=r"tokenizer.json must give the token ids"):
        sample_examples(world.model(), tiny_gym, other, 2)


def test_equal_infinities_are_equal_and_nan_equals_nothing():
    inf, nan = float("inf"), float("nan")
    expected = torch.tensor([[1.0, -inf], [1.0, -inf], [nan, 0.0]])
    found = torch.tensor([[1.5, -inf], [1.0, 0.0], [nan, 0.0]])
    assert row_differences(expected, found, "case") == [0.5, inf, inf]


def test_another_shape_is_refused_and_not_broadcast():
    with pytest.raises(ExportError, match=r"the shape \(2, 3\) of torch, got \(2, 1\)"):
        row_differences(torch.zeros(2, 3), torch.zeros(2, 1), "case")
