"""Every path under `data/`, relative to the project's root, and nothing else."""

from pathlib import Path

DATA = Path("data")
INCOMING = DATA / "incoming"
GYM = DATA / "gym"
VALIDATION = DATA / "validation"
POOL = DATA / "pool"
ONNX = DATA / "onnx"
REPORT = DATA / "report"

METRICS = DATA / "metrics"
VALIDATE_METRICS = METRICS / "validate.json"
TRAIN_METRICS = METRICS / "train.json"
EVALUATE_METRICS = METRICS / "evaluate.json"
EXPORT_METRICS = METRICS / "export.json"

PLOTS = DATA / "plots"
TRAIN_PLOTS = PLOTS / "train"
EVALUATE_PLOTS = PLOTS / "evaluate"

_CHECKPOINTS = Path(".checkpoints")
"""Git-ignored and outside every stage's outs, because DVC deletes outs before it runs a stage."""
TRAIN_CHECKPOINTS = _CHECKPOINTS / "train"
VALIDATION_MEMORY = _CHECKPOINTS / "validate"
