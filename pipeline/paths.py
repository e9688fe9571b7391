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

SCIENCE = DATA / "science"
"""Git and DVC ignore it: a gym, source models and checkpoints, each named by what shapes it."""
SCIENCE_METRICS = METRICS / "science"
TRANSFER_METRICS = METRICS / "transfer.json"

CHECKPOINTS = Path(".checkpoints")
"""Git-ignored and outside every stage's outs, because DVC deletes outs before it runs a stage."""
