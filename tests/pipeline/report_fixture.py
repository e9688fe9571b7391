"""A made-up run of the whole chain, in the files that the report reads."""

import hashlib
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dpf_core.files import sha256_file, write_json
from pipeline.plots.evaluation import evaluate_plots
from pipeline.plots.history import HistoryRow
from pipeline.plots.training import train_plots
from pipeline.report import ReportInputs

NUM_STEPS, POOL_SIZE = 400, 12
# name, category, metric, labels, provenance, score, majority
TASKS = [
    ("acceptability", "acceptability", "Matthew-Correlation", 2, "generated", 0.412, 0.0),
    ("arithmetic_facts", "knowledge", "ACC", 0, "generated", 0.348, 0.262),
    ("cities", "knowledge", "ACC", 0, "real", 0.587, 0.251),
    ("financial_phrasebank", "sentiment", "Classification-F1", 3, "real", 0.744, 0.248),
    ("glue-mrpc", "paraphrase", "Classification-F1", 2, "real", 0.655, 0.406),
    ("glue-sst2", "sentiment", "ACC", 2, "real", 0.861, 0.509),
    ("hate_speech_offensive", "toxicity", "Classification-F1", 3, "real", 0.628, 0.291),
    ("language_register", "style", "Classification-F1", 4, "generated", 0.902, 0.118),
    ("news_topic", "topic", "Classification-F1", 4, "real", 0.873, 0.104),
    ("sick", "entailment", "Classification-F1", 3, "real", 0.702, 0.241),
    ("sms_spam", "spam", "Classification-F1", 2, "real", 0.958, 0.464),
    ("superglue-wic", "word sense", "ACC", 2, "real", 0.487, 0.5),
    ("trec", "question type", "Classification-F1", 6, "real", 0.811, 0.062),
    ("tweet_eval-offensive", "toxicity", "Classification-F1", 2, "real", 0.693, 0.419),
]
STATUS = {
    "trec": "verified", "sick": "verified", "glue-mrpc": "verified", "superglue-wic": "unverified",
}  # fmt: skip
NAMES = [task[0] for task in TASKS]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def gym_manifest() -> dict[str, Any]:
    return {
        "format": "dpf-gym/1",
        "source": "mirror",
        "seeds": [100, 13, 21, 42, 87],
        "tasks": [_gym_task(*task[:5]) for task in TASKS],
    }


def _gym_task(
    name: str, category: str, metric: str, labels: int, provenance: str
) -> dict[str, Any]:
    size = 300 + 97 * len(name)
    matching = {"verified": 15, "unverified": 11}.get(STATUS.get(name, ""))
    return {
        "name": name,
        "kind": "classification" if labels else "multiple_choice",
        "category": category,
        "labels": [f"label {i}" for i in range(labels)] or None,
        "label_texts": {},
        "metric": metric,
        "shots": 16,
        "source": {"name": "mirror", "id": name, "files": {f"{name}/train.parquet": digest(name)}},
        "provenance": provenance,
        "licence": "CC-BY-4.0" if provenance == "real" else "Apache-2.0",
        "description": f"Which {category} a text has.",
        "status": STATUS.get(name, "no official files"),
        "official": {"matching": matching, "of": 15} if matching else None,
        "options": None if labels else "lettered",
        "rows": {
            "full_train": size,
            "test": size // 4,
            "train": dict.fromkeys(("100", "13", "21", "42", "87"), 16 * max(labels, 1)),
            "dev": dict.fromkeys(("100", "13", "21", "42", "87"), 16 * max(labels, 1)),
        },
        "dropped": {"blank input": 3} if name == "cities" else {},
        "files": {f"{name}_full_train.tsv": {"md5": "0", "sha256": digest(name), "rows": size}},
    }


def validation() -> dict[str, Any]:
    duplicate = {
        "expectation": "train_test_overlap",
        "split": "test",
        "file": "cities_16_13_test.tsv",
        "rows": [4, 18, 91],
        "count": 3,
        "detail": "3 test inputs also stand in full_train",
    }
    return {
        "num_critical": 0,
        "num_warnings": 1,
        "tasks": [
            {
                "name": name,
                "passed": True,
                "critical": [],
                "warnings": [duplicate] if name == "cities" else [],
                "rows": {"full_train": 300, "train": 160, "dev": 160, "test": 75},
            }
            for name in NAMES
        ],
    }


def history() -> list[HistoryRow]:
    random = np.random.default_rng(0)
    rows: list[HistoryRow] = []
    for index, name in enumerate(NAMES):
        start, end, drift = (
            0.7 + 0.1 * (index % 5),
            0.15 + 0.04 * (index % 7),
            0.35 * random.normal(),
        )
        for step in range(0, NUM_STEPS + 1, 5):
            done = step / NUM_STEPS
            loss = end + (start - end) * np.exp(-4 * done) + 0.06 * abs(random.normal())
            rows += [
                (step, name, "loss", float(loss)),
                (step, name, "task_weight", float(np.exp(drift * done))),
                (step, name, "gate_mean", 0.12 + 0.1 * done * abs(drift)),
                (step, name, "mixing_entropy", 2.48 - 0.5 * done**2 * (1 + drift)),
            ]
            if step % 50 == 0:
                rows.append(
                    (step, name, "dev_score", 0.35 + 0.4 * (1 - np.exp(-5 * done)) - end / 3)
                )
    dev = [row for row in rows if row[2] == "dev_score"]
    means = {s: np.mean([row[3] for row in dev if row[0] == s]) for s in {row[0] for row in dev}}
    return rows + [(step, "all", "dev_score", float(mean)) for step, mean in means.items()]


def training() -> dict[str, Any]:
    random = np.random.default_rng(1)
    return {
        "steps": 400,
        "best_step": 350,
        "stopped_early": True,
        "examples_seen": 12800,
        "dev_mean_score": 0.684,
        "num_trainable": 231_446,
        "rows": {
            name: {"train": 300, "dev": 160, "removed_dev_overlap": 2, "capped": 0}
            for name in NAMES
        },
        "final_losses": {name: 0.1 + abs(random.normal()) / 3 for name in NAMES},
        "task_weights": {name: float(np.exp(random.normal() / 3)) for name in NAMES},
        "alarms": ["task weight of superglue-wic stands at the upper clamp, 10.0"],
    }


def evaluation() -> dict[str, Any]:
    random = np.random.default_rng(2)
    logits = random.normal(size=(len(TASKS), POOL_SIZE))
    logits[5] = logits[3] + 0.1
    weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    counts, edges = np.histogram(random.beta(1.2, 6, size=4096), bins=20, range=(0, 1))
    return {
        "pool_sha256": digest("pool"),
        "mean_score": sum(task[5] for task in TASKS) / len(TASKS),
        "majority_mean_score": sum(task[6] for task in TASKS) / len(TASKS),
        "mean_macro_f1": 0.671,
        "tasks": [
            {
                "name": name,
                "metric": metric,
                "score": score,
                "majority_score": majority,
                "accuracy": min(1.0, score + 0.03),
                "macro_f1": score - 0.01,
                "num_test_rows": (300 + 97 * len(name)) // 4,
                "truncated_rows": 7 if name == "sick" else 0,
                "status": STATUS.get(name, "no official files"),
            }
            for name, _, metric, _, _, score, majority in TASKS
        ],
        "diagnostics": {
            "mixing_js_divergence": 0.187,
            "mixing_entropy_mean": 1.955,
            "gate_mean": 0.166,
            "gate_saturation_share": 0.341,
            "pool_usage_entropy": 2.31,
            "pool_usage_entropy_max": math.log(POOL_SIZE),
            "pool_unused_share": 0.0,
        },
        "alarms": [
            {
                "name": "gate saturation",
                "value": 0.341,
                "threshold": 0.25,
                "message": "Most gate values stand at 0 or 1. Move gate_bias towards 0.",
            }
        ],
        "scheduler": {"tasks": NAMES, "mixing_weights": weights.tolist()},
        "gate_histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def pool_config(gym_sha256: str) -> dict[str, Any]:
    return {
        "format": "dpf-pool/1",
        "backbone": {
            "name": "bundled",
            "revision": None,
            "precision": "fp32",
            "attention": "eager",
            "max_length": 128,
            "batch_tokens": 1024,
            "sha256": digest("backbone"),
            "hidden_size": 384,
            "model_type": "bert",
        },
        "model": {
            "method": "dpf",
            "prompt_length": 16,
            "prompted_depth": 1,
            "pool_size": POOL_SIZE,
            "temperature": 0.9,
        },
        "tasks": onnx_manifest()["tasks"],
        "sha256": {"pool.safetensors": digest("pool")},
        "gym_manifest_sha256": gym_sha256,
    }


def onnx_manifest() -> dict[str, Any]:
    return {
        "format": "dpf-onnx/1",
        "pool_sha256": digest("pool"),
        "temperature": 0.9,
        "opset": 18,
        "versions": {"onnx": "1.19.1", "onnxruntime": "1.23.0", "torch": "2.13.0"},
        "tasks": [
            {
                "name": name,
                "id": index,
                "kind": "classification" if labels else "multiple_choice",
                "labels": None,
                "metric": metric,
            }
            for index, (name, _, metric, labels, *_) in enumerate(TASKS)
        ],
    }


def export() -> dict[str, Any]:
    return {
        "max_abs_diff": 1.43e-06,
        "tolerance": 1e-05,
        "tasks": {name: 1.43e-06 / (1 + index) for index, name in enumerate(NAMES)},
        "cases": [
            "batch 1, length 8",
            "batch 7, length 8",
            "batch 1, length 33",
            "batch 7, length 33",
        ],
        "providers": ["CPUExecutionProvider"],
        "opset": 18,
        "files": {
            "front_end.onnx": {"sha256": digest("front"), "bytes": 47_915_002},
            "fused_prompt.onnx": {"sha256": digest("fused"), "bytes": 927_411},
            "tokenizer.json": {"sha256": digest("tokenizer"), "bytes": 711_396},
        },
    }


@cache
def pictures() -> dict[str, dict[str, bytes]]:
    """The PNG files of both stages, drawn once for all tests."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        drawn = {
            "train": train_plots(history(), Path(folder) / "train", best_step=350),
            "evaluate": evaluate_plots(evaluation(), Path(folder) / "evaluate"),
        }
        return {stage: {p.name: p.read_bytes() for p in paths} for stage, paths in drawn.items()}


def write_inputs(root: Path) -> ReportInputs:
    """Write every input of the report below a folder."""
    inputs = ReportInputs.below(root)
    for path in (inputs.gym, inputs.pool, inputs.onnx, inputs.train):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_json(inputs.gym, gym_manifest())
    write_json(inputs.pool, pool_config(sha256_file(inputs.gym)))
    write_json(inputs.onnx, onnx_manifest())
    write_json(inputs.validate, validation())
    write_json(inputs.train, training())
    write_json(inputs.evaluate, evaluation())
    write_json(inputs.export, export())
    for stage, folder in (("train", inputs.train_plots), ("evaluate", inputs.evaluate_plots)):
        folder.mkdir(parents=True)
        for name, content in pictures()[stage].items():
            (folder / name).write_bytes(content)
    return inputs
