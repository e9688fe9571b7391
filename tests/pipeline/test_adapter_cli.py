import json
from pathlib import Path

import pytest

from dpf_core.adapters import CONFIG_FILE, WEIGHTS_FILE
from dpf_core.files import sha256_file
from dpf_core.pool_io import save_pool
from pipeline import cli

PARAMS = (
    "runtime:\n  num_threads: 1\n  num_processes: 1\n  device: cpu\n"
    "  gradient_checkpointing: false\n"
)


@pytest.fixture
def export(world, tmp_path, monkeypatch):
    """Run `dpf export --format peft` in a project with a pool."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    save_pool(Path("trial/pool"), world.model(), extra={})
    return lambda *words: cli.main(["export", "--format", "peft", *words])


def test_adapters_of_a_pool_land_in_a_folder_for_each_task(export, capsys):
    assert export("--pool", "trial/pool", "--out", "out", "--json") == 0
    printed = json.loads(capsys.readouterr().out)["adapters"]
    assert printed == {
        task: {name: sha256_file(Path("out", task, name)) for name in (CONFIG_FILE, WEIGHTS_FILE)}
        for task in ("mood", "pick", "topic")
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "--format peft must come with --out, got no --out"),
        (("--out", "out", "--gym", "gym"), "--gym must come with --format onnx, got gym"),
        (("--out", "data/onnx"), "--out must lie outside data/"),
        (("--out", "out", "--set", "export.opset=20"), "a section of runtime, got 'export.opset"),
        (("--out", "out"), "a pool must have a readable config.json"),
    ],
)
def test_what_has_no_effect_or_no_place_is_refused_in_one_sentence(export, capsys, words, says):
    assert export(*words) == 1
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1
    assert not Path("out").exists()
