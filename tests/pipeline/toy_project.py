"""A DVC project of three tiny stages, and a DvcRunner that runs nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from pipeline.resources import DvcRunner, StageRun

_STAGE = '''"""Toy stage {name}."""
import json, pathlib, sys, yaml
from pipeline.pipes import report
seed = yaml.safe_load(pathlib.Path("params.yaml").read_text())["ingest"]["seed"]
{body}
report({{"said": "{name}"}})
'''
_BODIES = {
    "ingest": """
pathlib.Path("data/gym").mkdir()
names = sorted(p.name for p in pathlib.Path("data/incoming").iterdir() if p.is_dir())
tasks = [{"name": n} for n in names]
pathlib.Path("data/gym/manifest.json").write_text(json.dumps({"tasks": tasks}))
""",
    "validate": """
names = [t["name"] for t in json.loads(pathlib.Path("data/gym/manifest.json").read_text())["tasks"]]
bad = [{"expectation": "no blank", "split": "train", "rows": [2], "count": 1}]
tasks = [{"name": n, "passed": n != "bad", "critical": bad if n == "bad" else [], "warnings": [],
          "rows": {"train": 3}} for n in names]
pathlib.Path("data/metrics/validate.json").write_text(json.dumps({"tasks": tasks}))
if "bad" in names:
    sys.exit("task 'bad' must have no blank row, got line 2. Correct it.")
""",
    "train": """
pathlib.Path("data/pool").mkdir()
pathlib.Path("data/pool/config.json").write_text(json.dumps({"seed": seed}))
metrics = {"dev_mean_score": 0.5, "alarms": []}
pathlib.Path("data/metrics/train.json").write_text(json.dumps(metrics))
""",
}
_OUTS = {"ingest": ["data/gym"], "train": ["data/pool"]}
_METRICS = {"validate": "data/metrics/validate.json", "train": "data/metrics/train.json"}
_DATA = {
    "ingest": ["data/incoming"],
    "validate": ["data/gym"],
    "train": ["data/gym", "data/metrics/validate.json"],
}


def write_toy_project(root: Path) -> Path:
    """Write the stages ingest, validate and train, one task, and no `.dvc` folder."""
    for folder in ("data/incoming/first", "data/metrics"):
        (root / folder).mkdir(parents=True)
    (root / "data/incoming/first/task.yaml").write_text("{}\n")
    (root / "data/incoming/first/train.tsv").write_text("a\tb\n")
    (root / "params.yaml").write_text("ingest: {seed: 13, rate: 5.0e-5}\n")
    for name, body in _BODIES.items():
        (root / f"{name}.py").write_text(_STAGE.format(name=name, body=body))
    stages = {name: _stage(name) for name in _BODIES}
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    return root


def run_dvc(root: Path, *words: str) -> str:
    """Run `dvc` as a user would, and return what it printed."""
    command = [sys.executable, "-m", "dvc", *words]
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, cwd=root, env=path, capture_output=True, text=True, check=True)
    return done.stdout


def _stage(name: str) -> dict[str, Any]:
    stage: dict[str, Any] = {"cmd": f"python {name}.py", "deps": [f"{name}.py", *_DATA[name]]}
    if name != "validate":
        stage["params"] = ["ingest"]
    if name in _OUTS:
        stage["outs"] = _OUTS[name]
    if name in _METRICS:
        stage["metrics"] = [{_METRICS[name]: {"cache": False}}]
    return stage


class FakeDvcRunner(DvcRunner):
    """Writes the lock and the given metrics as if every stage had run; `failing` exits with 1."""

    metrics: dict[str, Any]
    failing: str = ""
    ran: bool = True

    def repro(self, context: dg.AssetExecutionContext, stage: str) -> StageRun:
        if stage in self.metrics:
            path = self.root / "data/metrics" / f"{stage}.json"
            path.unlink(missing_ok=True)
            path.write_text(json.dumps(self.metrics[stage]))
        if stage == self.failing:
            return StageRun(exit_code=255, ran=True, tail="a sentence that names the cure")
        lock = self.root / "dvc.lock"
        stages = yaml.safe_load(lock.read_text())["stages"] if lock.exists() else {}
        stages[stage] = {"cmd": "x", "outs": [{"path": "data/gym", "md5": stage}]}
        lock.write_text(yaml.safe_dump({"stages": stages}))
        return StageRun(exit_code=0, ran=self.ran, reported={"said": stage})
