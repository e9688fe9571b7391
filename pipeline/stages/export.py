"""Write the front end as ONNX files and prove on every task that they compute what torch does."""

import sys

from dpf_core.config import ExportConfig, RuntimeConfig
from dpf_core.errors import DPFError
from pipeline.exporting import ExportPaths, run_export
from pipeline.params import load_config
from pipeline.paths import EXPORT_METRICS, GYM, ONNX, POOL
from pipeline.pipes import report as report_to_dagster


def main() -> int:
    """Write data/onnx and its metrics, and return the exit code."""
    paths = ExportPaths(gym=GYM, pool=POOL, onnx=ONNX, metrics=EXPORT_METRICS)
    try:
        metrics = run_export(paths, load_config(RuntimeConfig), load_config(ExportConfig))
    except DPFError as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        cure = "Correct the permissions or free disk space."
        print(f"export: data/ must be writable, got {error}. {cure}", file=sys.stderr)
        return 1
    tasks, provider = len(metrics["tasks"]), metrics["providers"][0]
    gap = metrics["max_abs_diff"]
    print(f"{tasks} tasks: {provider} and torch differ by {gap:.2e} at most")
    report_to_dagster({"max_abs_diff": gap, "opset": metrics["opset"]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
