"""What an export folder holds, and that its bytes depend on the model alone."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tokenizers
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from dpf_core.errors import ConfigError, ExportError
from dpf_core.export import onnx_export
from dpf_core.export.onnx_export import export_onnx, portable_tokenizer, staged_folder
from dpf_core.files import sha256_file
from dpf_core.pool_io import save_pool
from tests import tiny
from tests.core.conftest import EXPORTS
from tests.core.onnx_consumer import hidden_states

FILES = {"fused_prompt.onnx", "front_end.onnx", "manifest.json", "tokenizer.json"}
EXPORT_A_POOL = """
import sys
from pathlib import Path
from dpf_core.backbone.loading import load_backbone
from dpf_core.export.onnx_export import export_onnx, staged_folder
from dpf_core.pool_io import backbone_config, load_pool, read_pool_config
pool, out = map(Path, sys.argv[1:])
model = load_pool(pool, load_backbone(backbone_config(read_pool_config(pool))))
export_onnx(model, out, opset=20, extra={"pool_sha256": "abc"})
"""


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def axes(values):
    return {value.name: (value.type, value.shape) for value in values}


def texts(*shape):
    return np.full(shape, 7), np.ones(shape, dtype=np.int64)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_inputs_and_outputs_have_the_promised_names_types_and_axes(exported):
    fused, front = (session(exported("dpf") / f"{n}.onnx") for n in ("fused_prompt", "front_end"))
    integers, floats, text = "tensor(int64)", "tensor(float)", ["batch", "sequence"]
    assert axes(fused.get_inputs()) == {"task_id": (integers, ["batch"])}
    assert axes(fused.get_outputs()) == {"fused_prompt": (floats, ["batch", 1, 3, 16])}
    assert axes(front.get_inputs()) == {
        "task_id": (integers, ["batch"]),
        "input_ids": (integers, text),
        "attention_mask": (integers, text),
    }
    assert axes(front.get_outputs()) == {
        "inputs_embeds": (floats, ["batch", "sequence + 3", 16]),
        "prompted_attention_mask": (integers, ["batch", "sequence + 3"]),
    }


def test_a_shared_prompt_keeps_its_name(exported):
    graph = onnx.load(exported("shared") / "fused_prompt.onnx").graph
    assert "shared_prompt" in {initialiser.name for initialiser in graph.initializer}


def test_deep_prompts_are_a_third_output(exported):
    front = session(exported("deep") / "front_end.onnx")
    outputs = front.get_outputs()
    assert (outputs[2].name, outputs[2].shape) == ("layer_prompts", ["batch", 1, 3, 16])


def test_the_graph_holds_the_trained_tensors_and_no_table_of_fused_prompts(exported):
    graph = onnx.load(exported("dpf") / "fused_prompt.onnx").graph
    shapes = {i.name: tuple(i.dims) for i in graph.initializer}
    trained = {
        "pool": (4, 1, 3, 16), "scheduler_logits": (3, 4), "task_embedding": (3, 16),
        "gate.weight": (16, 16), "gate.bias": (16,),
    }  # fmt: skip
    assert trained.items() <= shapes.items()
    assert (3, 1, 3, 16) not in shapes.values()
    assert {"Softmax", "Sigmoid"} <= {node.op_type for node in graph.node}


@pytest.mark.parametrize("variant", EXPORTS)
@pytest.mark.parametrize("name", ["fused_prompt.onnx", "front_end.onnx"])
def test_every_file_passes_the_onnx_checker(exported, variant, name):
    onnx.checker.check_model(onnx.load(exported(variant) / name), full_check=True)


@pytest.mark.parametrize(("batch", "length"), [(1, 1), (1, 9), (7, 4), (0, 4)])
def test_batch_and_length_are_free(exported, batch, length):
    ids, mask = texts(batch, length)
    inputs = {"task_id": np.zeros(batch, np.int64), "input_ids": ids, "attention_mask": mask}
    embeds, prompted = session(exported("dpf") / "front_end.onnx").run(None, inputs)
    assert embeds.shape == (batch, 3 + length, 16)
    assert prompted.shape == (batch, 3 + length)


@pytest.mark.parametrize("variant", EXPORTS)
@pytest.mark.parametrize("task_id", [-1, -3, 3])
def test_an_unknown_task_id_is_an_error_and_never_another_tasks_prompt(exported, variant, task_id):
    with pytest.raises(InvalidArgument, match="ind"):
        session(exported(variant) / "fused_prompt.onnx").run(None, {"task_id": np.array([task_id])})


@pytest.mark.parametrize("token_id", [-1, 10_000])
def test_an_unknown_token_id_is_an_error(exported, token_id):
    _, mask = texts(1, 2)
    inputs = {"task_id": np.array([0]), "input_ids": np.array([[7, token_id]])}
    with pytest.raises(InvalidArgument, match="out of data bounds"):
        session(exported("dpf") / "front_end.onnx").run(None, inputs | {"attention_mask": mask})


def test_the_manifest_describes_tasks_backbone_and_files(exported, world):
    manifest = json.loads((exported("dpf") / "manifest.json").read_text())
    assert [(task["id"], task["name"], task["kind"]) for task in manifest["tasks"]] == [
        (0, "mood", "classification"),
        (1, "pick", "multiple_choice"),
        (2, "topic", "classification"),
    ]
    assert manifest["tasks"][0]["labels"] == ["sad", "happy"]
    assert manifest["backbone"]["sha256"] == world.backbone.sha256
    assert (manifest["temperature"], manifest["opset"], manifest["max_length"]) == (0.9, 20, 16)
    assert (manifest["format"], manifest["pool_sha256"]) == ("dpf-onnx/1", "abc")
    for name in FILES - {"manifest.json"}:
        path = exported("dpf") / name
        expected = (sha256_file(path), path.stat().st_size)
        assert (manifest["files"][name]["sha256"], manifest["files"][name]["bytes"]) == expected


@pytest.mark.parametrize("variant", EXPORTS)
def test_the_graphs_use_the_operator_set_that_was_asked_for(exported, variant):
    for name in ("fused_prompt.onnx", "front_end.onnx"):
        (opset,) = onnx.load(exported(variant) / name).opset_import
        assert (opset.domain, opset.version) == ("", EXPORTS[variant][0])


def test_what_a_shared_prompt_lacks_is_null(exported):
    manifest = json.loads((exported("shared") / "manifest.json").read_text())
    assert (manifest["temperature"], manifest["pool_size"]) == (None, None)


def test_the_tokenizer_cuts_and_pads_as_the_model_expects(exported, world):
    tokenizer = tokenizers.Tokenizer.from_file(str(exported("dpf") / "tokenizer.json"))
    long, short = tokenizer.encode_batch(["the dog " * 20, "the dog"])
    first, last = world.backbone.tokenizer.cls_token_id, world.backbone.tokenizer.sep_token_id
    assert (len(long.ids), long.ids[0], long.ids[-1]) == (16, first, last)
    assert short.attention_mask == [1] * 4 + [0] * 12
    assert short.ids[4:] == [world.backbone.tokenizer.pad_token_id] * 12


def test_the_bytes_depend_on_nothing_but_the_model(exported, world, tmp_path):
    save_pool(tmp_path / "pool", world.model(), extra={})
    shutil.copytree("dpf_core", tmp_path / "elsewhere" / "dpf_core")
    command = [sys.executable, "-c", EXPORT_A_POOL, tmp_path / "pool", tmp_path / "onnx"]
    subprocess.run(command, cwd=tmp_path / "elsewhere", check=True)
    assert content(tmp_path / "onnx") == content(exported("dpf"))


def test_no_file_names_a_folder_or_a_source_file(exported, backbone_folder):
    for name, data in content(exported("dpf")).items():
        for text in ("dpf_core", str(Path.cwd()), str(backbone_folder.parent), ".py\\"):
            assert text.encode() not in data, (name, text)


def test_an_export_replaces_its_files_and_leaves_others(tmp_path):
    (tmp_path / "README.txt").write_text("mine")
    (tmp_path / "manifest.json").write_text("earlier")
    with staged_folder(tmp_path) as folder:
        for name in FILES:
            (folder / name).write_text("new")
    assert content(tmp_path) == {"README.txt": b"mine"} | dict.fromkeys(FILES, b"new")


def test_a_full_disk_leaves_the_earlier_export(world, tmp_path, monkeypatch):
    def full(path, data):
        path.write_bytes(data[:100])
        raise OSError(28, "No space left on device")

    (tmp_path / "front_end.onnx").write_text("earlier")
    monkeypatch.setattr(onnx_export, "_graphs", lambda *_: {"front_end.onnx": onnx.ModelProto()})
    monkeypatch.setattr(onnx_export, "write_bytes_atomic", full)
    with pytest.raises(ExportError, match=r"room for the files, got No space left.*Free space"):
        export_onnx(world.model(), tmp_path, opset=20, extra={})
    assert content(tmp_path) == {"front_end.onnx": b"earlier"}


def test_an_output_folder_that_is_a_file_is_refused(world, tmp_path):
    (tmp_path / "onnx").write_text("mine")
    with pytest.raises(ExportError, match="the export folder must be writable"):
        export_onnx(world.model(), tmp_path / "onnx", opset=20, extra={})


def test_a_model_without_prompts_has_no_front_end_to_export(world, tmp_path):
    with pytest.raises(ConfigError, match="must be one with prompts by task, got 'heads_only'"):
        export_onnx(world.model(method="heads_only"), tmp_path, opset=20, extra={})


def test_an_unknown_operator_set_is_refused(world, tmp_path):
    with pytest.raises(ConfigError, match=r"opset must be <= \d+.*got 99 \(export.opset"):
        export_onnx(world.model(), tmp_path, opset=99, extra={})


def test_a_program_without_this_library_gets_the_models_hidden_states(
    exported, world, backbone_folder
):
    texts = ["the dog runs", "what a lovely bright day"]
    found = hidden_states(exported("dpf"), backbone_folder, "topic", texts)
    prompts = world.model().front_end(torch.tensor([2]))[0, 0]
    for text, states in zip(texts, found, strict=True):
        ids = torch.tensor([world.backbone.tokenizer(text)["input_ids"]])
        embeds = torch.cat([prompts[None], world.backbone.embed(ids)], dim=1)
        expected = world.backbone.encode(embeds, torch.ones(embeds.shape[:2], dtype=torch.int64))
        torch.testing.assert_close(states[: embeds.shape[1]], expected[0].detach())


def test_without_a_padding_token_the_tokenizer_pads_with_the_end_of_text(tmp_path):
    folder = tiny.backbone_folder(tmp_path / "gpt2", "gpt2")
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    del settings["pad_token"]
    path.write_text(json.dumps(settings))
    backbone = tiny.backbone(folder, "gpt2")
    assert backbone.tokenizer.pad_token_id is None
    made = tokenizers.Tokenizer.from_str(portable_tokenizer(backbone))
    short, _ = made.encode_batch(["the dog", "the dog runs in the rain"])
    assert short.ids[-1] == backbone.tokenizer.eos_token_id
    assert short.attention_mask[-1] == 0
