import json

import pytest
import torch
import transformers

from dpf_core.backbone import quantization
from dpf_core.backbone.loading import load_backbone
from dpf_core.backbone.quantization import check_quantization
from dpf_core.build import build_model
from dpf_core.config import BackboneConfig, ModelConfig
from dpf_core.errors import ConfigError
from tests import tiny

GPU = torch.device("cuda", 0)


def settings(folder, **changes):
    return tiny.config(BackboneConfig, name=str(folder), **changes)


@pytest.fixture
def loaded(monkeypatch):
    """What the model library is asked for; it loads plain weights, which then may not be moved."""
    asked = {}
    original = transformers.AutoModel.from_pretrained

    def moved(*_):
        raise AssertionError("a quantised model was moved")

    def recorded(folder, *, quantization_config, device_map, **options):
        asked.update(options, bits=quantization_config, device_map=device_map)
        model, loading = original(folder, **options)
        model.to = model._apply = moved
        return model, loading

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", recorded)
    monkeypatch.setattr("dpf_core.backbone.loading.check_quantization", lambda *_: None)
    return asked


def test_without_quantization_any_device_will_do():
    check_quantization(BackboneConfig(), torch.device("cpu"))


@pytest.mark.parametrize("bits", ["int8", "int4"])
def test_quantized_weights_are_refused_on_a_cpu(backbone_folder, bits):
    with pytest.raises(ConfigError, match=rf"must be null on device 'cpu', got '{bits}'.*cuda"):
        load_backbone(settings(backbone_folder, quantization=bits))


@pytest.mark.parametrize("missing", ["bitsandbytes", "accelerate"])
def test_quantized_weights_need_both_packages(monkeypatch, missing):
    found = {"bitsandbytes": True, "accelerate": True}
    monkeypatch.setattr(quantization, "_packages", lambda: found)
    check_quantization(BackboneConfig(quantization="int4"), GPU)
    found[missing] = False
    with pytest.raises(ConfigError, match=rf"got no {missing}\. Run: pip install .*quantization"):
        check_quantization(BackboneConfig(quantization="int4"), GPU)


def test_weights_that_are_stored_quantised_are_refused(tmp_path):
    folder = tiny.backbone_folder(tmp_path / "stored")
    config = json.loads((folder / "config.json").read_text())
    stored = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": stored}))
    with pytest.raises(ConfigError, match=r"got a quantization_config .*config\.json"):
        load_backbone(settings(folder))


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_4_bits_are_nf4_and_computed_in_the_precision(loaded, backbone_folder, precision, dtype):
    load_backbone(settings(backbone_folder, quantization="int4", precision=precision))
    bits = loaded["bits"]
    assert (bits.load_in_4bit, bits.load_in_8bit) == (True, False)
    assert (bits.bnb_4bit_quant_type, bits.bnb_4bit_use_double_quant) == ("nf4", True)
    assert (bits.bnb_4bit_compute_dtype, loaded["dtype"]) == (dtype, dtype)


def test_8_bits_are_those_of_llm_int8(loaded, backbone_folder):
    load_backbone(settings(backbone_folder, quantization="int8"))
    assert loaded["bits"].quantization_method() == "llm_int8"


def test_a_quantised_model_is_loaded_in_its_place_frozen_and_never_moved(loaded, backbone_folder):
    backbone = load_backbone(settings(backbone_folder, quantization="int8"))
    build_model(backbone, [], tiny.config(ModelConfig, method="heads_only"), torch.Generator())
    assert loaded["device_map"] == {"": torch.device("cpu")}
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
