import subprocess

import pytest

from dpf_core.errors import DPFError
from pipeline.bench import startup


def test_commands_of_dvc_are_left_out_where_no_stage_has_run(tmp_path, monkeypatch):
    quick = dict.fromkeys(("python", "help", "import_dpf_core", "import_torch"), "pass")
    monkeypatch.setattr(startup, "_PYTHON", quick)
    result = startup.bench_startup(repeats=2, root=tmp_path)
    assert result["dvc_skipped_reason"] == "no dvc.lock here, so no stage has run"
    assert (result["dvc_repro_seconds"], result["python_seconds"] > 0) == (None, True)
    assert result["python_cpu_seconds"] > 0
    assert result["order"][:3] == ["python", "help", "import_dpf_core"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((0, '{"train": ["changed"]}', ""), "finds changes in train"),
        ((1, "", "ERROR: no repository"), "fails: ERROR: no repository"),
        ((0, "{}", ""), None),
    ],
    ids=["changed", "fails", "done"],
)
def test_dvc_is_measured_only_where_it_has_nothing_to_do(tmp_path, monkeypatch, answer, reason):
    (tmp_path / "dvc.lock").touch()
    done = subprocess.CompletedProcess("dvc", *answer)
    monkeypatch.setattr(startup.subprocess, "run", lambda *_, **__: done)
    found = startup.why_no_dvc(tmp_path)
    assert found is None if reason is None else reason in found


def test_a_command_that_fails_ends_the_benchmark(tmp_path, monkeypatch):
    monkeypatch.setattr(startup, "_PYTHON", {"python": "raise SystemExit('no luck')"})
    with pytest.raises(DPFError, match=r"must succeed, got exit code 1: no luck"):
        startup.bench_startup(repeats=1, root=tmp_path)
