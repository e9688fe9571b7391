"""One export: gym and pool in, ONNX files and their comparison with torch out.

Shared by the stage and by `dpf export`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dpf_core.backbone.loading import load_backbone
from dpf_core.config import ExportConfig, RuntimeConfig
from dpf_core.export.checked_export import export_and_compare
from dpf_core.files import write_json
from dpf_core.model import DPFModel
from dpf_core.pool_io import POOL_FILE, backbone_config, load_pool, read_pool_config
from dpf_core.training.determinism import make_deterministic

_SEED = 0
"""Nothing is drawn here; the global generators are fixed for what the exporter calls."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportPaths:
    """What an export reads and writes."""

    gym: Path
    pool: Path
    onnx: Path
    metrics: Path


def run_export(paths: ExportPaths, runtime: RuntimeConfig, config: ExportConfig) -> dict[str, Any]:
    """Export a pool with its own backbone, compare with torch, write and return the metrics.

    Args:
        paths: Of gym, pool and outputs.
        runtime: Threads, of torch and of ONNX Runtime.
        config: Operator set, tolerance, provider and rows.

    Raises:
        DPFError: The pool, its backbone or the gym is wrong, or the files disagree with torch.
        OSError: The metrics cannot be written.
    """
    pool, model = load_for_export(paths.pool, runtime)
    metrics = export_and_compare(
        model,
        paths.gym,
        paths.onnx,
        config=config,
        num_threads=runtime.num_threads,
        extra={"pool_sha256": pool["sha256"][POOL_FILE]},
    )
    paths.metrics.parent.mkdir(parents=True, exist_ok=True)
    write_json(paths.metrics, metrics)
    return metrics


def load_for_export(pool: Path, runtime: RuntimeConfig) -> tuple[dict[str, Any], DPFModel]:
    """Return a pool's config.json and its model, with its own backbone.

    Raises:
        DPFError: The pool or its backbone is wrong.
    """
    make_deterministic(num_threads=runtime.num_threads, seed=_SEED)
    config = read_pool_config(pool)
    # The files hold fp32 values, whatever training ran in, so fp32 is what they are compared with.
    settings = replace(backbone_config(config), precision="fp32", quantization=None)
    return config, load_pool(pool, load_backbone(settings))
