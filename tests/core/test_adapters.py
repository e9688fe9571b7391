import json

import peft
import pytest
import torch
from safetensors.torch import save_file

from dpf_core.adapters import CONFIG_FILE, WEIGHTS_FILE, find_adapters, read_adapter
from dpf_core.errors import CheckpointError
from dpf_core.export.peft_adapter import export_adapters


@pytest.fixture
def folder(world, tmp_path):
    export_adapters(world.model(), tmp_path)
    return tmp_path


def read(adapter, kind="encoder", length=3, size=16):
    return read_adapter(adapter, kind, prompt_length=length, hidden_size=size)


def edit(adapter, **changes):
    path = adapter / CONFIG_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def replace(adapter, **tensors):
    save_file(tensors, adapter / WEIGHTS_FILE)


def test_an_adapter_that_peft_wrote_is_read_to_the_bit(world, tmp_path):
    config = peft.PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=3)
    model = peft.get_peft_model(world.backbone.model, config)
    model.save_pretrained(tmp_path)
    assert torch.equal(read(tmp_path), model.prompt_encoder["default"].embedding.weight)


def test_half_precision_becomes_float32_without_a_change(folder):
    prompt = torch.randn(3, 16).bfloat16()
    replace(folder / "mood", prompt_embeddings=prompt)
    assert torch.equal(read(folder / "mood"), prompt.float())


def test_a_folder_is_an_adapter_or_holds_adapters_in_name_order(folder):
    assert find_adapters(folder / "pick") == [folder / "pick"]
    (folder / ".cache").mkdir()
    assert [path.name for path in find_adapters(folder)] == ["mood", "pick", "topic"]


def test_a_sub_folder_that_is_no_adapter_is_refused_by_name(folder):
    (folder / "pick" / CONFIG_FILE).unlink()
    with pytest.raises(CheckpointError, match=r"must have adapter_config.json, got none in pick"):
        find_adapters(folder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"peft_type": "LORA"}, "peft_type must be PROMPT_TUNING, got 'LORA'"),
        ({"peft_type": None}, "peft_type must be PROMPT_TUNING, got None"),
        ({"num_transformer_submodules": 2}, "num_transformer_submodules must be 1, got 2"),
        ({"task_type": "CAUSAL_LM"}, "must be FEATURE_EXTRACTION for a .* encoder, got CAUSAL_LM"),
    ],
)
def test_an_adapter_of_another_kind_is_refused_with_what_it_says(folder, changes, says):
    edit(folder / "mood", **changes)
    with pytest.raises(CheckpointError, match=says):
        read(folder / "mood")


@pytest.mark.parametrize("sizes", [(4, 16), (3, 8)])
def test_another_prompt_length_or_hidden_size_is_refused_with_both(folder, sizes):
    with pytest.raises(CheckpointError, match=r"hidden size\] = \(.*\), got \(3, 16\)") as raised:
        read(folder / "mood", "encoder", *sizes)
    assert str(sizes) in str(raised.value)


def test_a_file_without_the_prompt_is_refused(folder):
    replace(folder / "mood", other=torch.zeros(3, 16))
    with pytest.raises(CheckpointError, match=r"\(3, 16\), got none"):
        read(folder / "mood")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (torch.ones(3, 16, dtype=int), "torch.int64 with 0 "),
        (torch.full((3, 16), torch.nan), "torch.float32 with 48 "),
    ],
)
def test_values_that_are_no_finite_numbers_are_refused(folder, values, says):
    replace(folder / "mood", prompt_embeddings=values)
    with pytest.raises(CheckpointError, match=f"must be finite floating-point numbers, got {says}"):
        read(folder / "mood")


@pytest.mark.parametrize("keep", [None, 0, 5, -7])
def test_damaged_or_absent_weights_are_refused_with_their_path(folder, keep):
    path = folder / "mood" / WEIGHTS_FILE
    data = path.read_bytes()
    path.unlink() if keep is None else path.write_bytes(data[:keep])
    with pytest.raises(CheckpointError, match=r"model.safetensors\)\. .*pickled weights are never"):
        read(folder / "mood")


@pytest.mark.parametrize("data", [b"\xff", b"{", b"[]"])
def test_a_config_that_is_no_object_is_refused_with_its_path(folder, data):
    (folder / "mood" / CONFIG_FILE).write_bytes(data)
    with pytest.raises(CheckpointError, match=r"adapter_config.json\)\. Save the adapter again"):
        read(folder / "mood")
