"""Damaged, foreign or dangerous files are refused, and so is another execution provider."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from dpf_core.errors import ExportError, TaskIdError
from dpf_core.export.onnx_session import open_session
from dpf_core.files import read_json, write_json

FUSED = "fused_prompt.onnx"


@pytest.fixture
def folder(exported, tmp_path):
    """A copy that a test may damage."""
    return Path(shutil.copytree(exported("dpf"), tmp_path / "onnx"))


def put(folder, data):
    """Write a file with the manifest's blessing."""
    (folder / FUSED).write_bytes(data)
    manifest = read_json(folder / "manifest.json")
    manifest["files"][FUSED]["sha256"] = hashlib.sha256(data).hexdigest()
    write_json(folder / "manifest.json", manifest)


class FallenBack:
    """What onnxruntime-gpu gives on a machine without its GPU libraries, and without an error."""

    def __init__(self, *_, **__):
        pass

    def get_providers(self):
        return ["CPUExecutionProvider"]


def test_a_session_says_where_it_runs(exported):
    assert open_session(exported("dpf") / FUSED).provider == "CPUExecutionProvider"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:],
        lambda data: b"",
    ],
    ids=["truncated", "one bit flipped", "empty"],
)
def test_a_damaged_file_is_refused_with_both_hashes_and_the_cure(folder, damage):
    data = (folder / FUSED).read_bytes()
    (folder / FUSED).write_bytes(damage(data))
    expected = hashlib.sha256(data).hexdigest()
    found = hashlib.sha256(damage(data)).hexdigest()
    with pytest.raises(ExportError) as caught:
        open_session(folder / FUSED)
    message = str(caught.value)
    assert all(text in message for text in (FUSED, expected, found, "dvc repro export"))


def test_a_missing_file_is_refused(folder):
    (folder / FUSED).unlink()
    with pytest.raises(ExportError, match=r"must be readable, got No such file.*Restore"):
        open_session(folder / FUSED)


def test_a_file_that_the_manifest_does_not_know_is_refused(folder):
    with pytest.raises(ExportError, match=r"must be one of front_end.onnx, .*got other.onnx"):
        open_session(folder / "other.onnx")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "readable manifest.json"),
        ("{", "readable manifest.json"),
        ("{}", "format must be"),
        ('{"format": "dpf-onnx/1", "tasks": []}', "must be complete, got KeyError: 'files'"),
        ('{"format": "dpf-onnx/1", "files": {}, "tasks": 3}', "must be complete, got TypeError"),
    ],
)
def test_a_wrong_manifest_is_refused(folder, manifest, message):
    (folder / "manifest.json").unlink()
    if manifest is not None:
        (folder / "manifest.json").write_text(manifest)
    with pytest.raises(ExportError, match=message):
        open_session(folder / FUSED)


def test_external_data_is_refused_before_anything_follows_it(folder):
    model = onnx.load(folder / FUSED)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    put(folder, model.SerializeToString())
    with pytest.raises(ExportError, match="external data for 'pool'"):
        open_session(folder / FUSED)


def test_external_data_inside_a_subgraph_is_refused(folder):
    model = onnx.load(folder / FUSED)
    hidden = onnx.TensorProto(name="hidden", data_location=onnx.TensorProto.EXTERNAL)
    branch = onnx.GraphProto(name="branch", initializer=[hidden])
    model.graph.node[0].attribute.add(name="body", g=branch, type=onnx.AttributeProto.GRAPH)
    put(folder, model.SerializeToString())
    with pytest.raises(ExportError, match="external data for 'hidden'"):
        open_session(folder / FUSED)


def test_bytes_that_are_no_model_are_refused(folder):
    put(folder, b"\xffnot a model")
    with pytest.raises(ExportError, match="must be an ONNX model"):
        open_session(folder / FUSED)


def test_a_model_that_the_runtime_cannot_load_is_refused(folder):
    model = onnx.load(folder / FUSED)
    model.graph.node[0].op_type = "Unheard"
    put(folder, model.SerializeToString())
    with pytest.raises(ExportError, match=r"must be able to load .*fused_prompt.onnx, got"):
        open_session(folder / FUSED)


def test_an_unknown_provider_is_refused_with_the_real_list(exported):
    with pytest.raises(ExportError, match=r"one of .*CPUExecutionProvider.*got 'NoProvider'"):
        open_session(exported("dpf") / FUSED, "NoProvider")


def test_falling_back_to_another_provider_is_an_error(exported, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", FallenBack)
    with pytest.raises(
        ExportError, match="must be CUDAExecutionProvider, got CPUExecutionProvider"
    ):
        open_session(exported("dpf") / FUSED, "CUDAExecutionProvider")


@pytest.mark.parametrize("task_id", [-1, 3])
def test_an_unknown_task_id_is_named(exported, task_id):
    with pytest.raises(TaskIdError, match=rf"in \[0, 3\), got \[0, {task_id}\]"):
        open_session(exported("dpf") / FUSED).run(task_id=np.array([0, task_id]))


def test_an_unknown_token_id_is_refused(exported):
    session = open_session(exported("dpf") / "front_end.onnx")
    ids = np.array([[10_000]])
    with pytest.raises(ExportError, match=r"must be what manifest.json lists"):
        session.run(task_id=np.array([0]), input_ids=ids, attention_mask=np.ones_like(ids))


@pytest.mark.parametrize(
    "names", [[], ["task_id"], ["task_id", "input_ids", "attention_mask", "x"]]
)
def test_inputs_that_the_file_does_not_have_are_named(exported, names):
    session = open_session(exported("dpf") / "front_end.onnx")
    with pytest.raises(ExportError, match="inputs must be attention_mask, input_ids, task_id, got"):
        session.run(**{name: np.array([0]) for name in names})
