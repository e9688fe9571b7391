"""The export stage: exit code, streams and files."""

import json
from pathlib import Path

import pytest

from dpf_core.files import sha256_file
from dpf_core.pool_io import save_pool
from pipeline import exporting
from pipeline.stages import export

PARAMS = """
runtime:
  num_threads: 1
  num_processes: 1
  gradient_checkpointing: false
  device: cpu
export:
  opset: 20
  tolerance: 1.0e-4
  provider: CPUExecutionProvider
  rows: 3
"""
METRICS = Path("data/metrics/export.json")


@pytest.fixture
def project(world, tiny_gym, tmp_path, monkeypatch):
    """Work in a project with gym and parameters; the result writes its pool."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    Path("data").mkdir()
    Path("data/gym").symlink_to(tiny_gym)
    return lambda **changes: save_pool(Path("data/pool"), world.model(**changes), extra={})


def written():
    return {path.name: path.read_bytes() for path in (METRICS, *Path("data/onnx").iterdir())}


def test_the_stage_writes_the_export_and_what_the_comparison_found_twice_alike(project, capsys):
    project()
    assert export.main() == 0
    metrics, first = json.loads(METRICS.read_text()), written()
    assert metrics["tasks"].keys() == {"mood", "pick", "topic"}
    assert 0 <= metrics["max_abs_diff"] == max(metrics["tasks"].values()) < metrics["tolerance"]
    assert (metrics["providers"], metrics["opset"]) == (["CPUExecutionProvider"], 20)
    assert first.keys() == {*metrics["files"], "manifest.json", "export.json"}
    manifest = json.loads(first["manifest.json"])
    assert manifest["pool_sha256"] == sha256_file("data/pool/pool.safetensors")
    assert "3 tasks: CPUExecutionProvider and torch differ by" in capsys.readouterr().out
    assert export.main() == 0
    assert written() == first


def test_a_pool_of_a_quantised_backbone_is_exported_with_the_same_weights_unquantised(project):
    project()
    config = json.loads(Path("data/pool/config.json").read_text())
    config["backbone"]["quantization"] = "int4"
    Path("data/pool/config.json").write_text(json.dumps(config))
    assert export.main() == 0


def test_a_project_without_a_pool_is_told_to_train_one(project, capsys):
    assert export.main() == 1
    assert "Train the pool again: dvc repro train" in capsys.readouterr().err
    assert not METRICS.exists()


def test_a_pool_without_prompts_is_refused(project, capsys):
    project(method="heads_only")
    assert export.main() == 1
    assert "must be one with prompts by task, got 'heads_only'" in capsys.readouterr().err


def test_metrics_that_cannot_be_written_are_an_error_with_a_cure(project, capsys, monkeypatch):
    project()
    METRICS.parent.write_text("a file in the way")
    monkeypatch.setattr(exporting, "export_and_compare", lambda *_, **__: {})
    assert export.main() == 1
    assert "files must be readable and writable, got" in capsys.readouterr().err
