"""Write the front end as ONNX files and prove on every task that they compute what torch does."""

import sys

from dpf_core.config import ExportConfig, RuntimeConfig
from pipeline.exporting import ExportPaths, run_export
from pipeline.params import load_config
from pipeline.paths import EXPORT_METRICS, GYM, ONNX, POOL
from pipeline.pipes import report as report_to_dagster
from pipeline.refusals import in_one_sentence
from pipeline.steady import steady


@in_one_sentence("export")
@steady()
def main() -> int:
    """Write data/onnx and its metrics, and return the exit code."""
    paths = ExportPaths(gym=GYM, pool=POOL, onnx=ONNX, metrics=EXPORT_METRICS)
    metrics = run_export(paths, load_config(RuntimeConfig), load_config(ExportConfig))
    tasks, provider = len(metrics["tasks"]), metrics["providers"][0]
    gap = metrics["max_abs_diff"]
    print(f"{tasks} tasks: {provider} and torch differ by {gap:.2e} at most")
    report_to_dagster({"max_abs_diff": gap, "opset": metrics["opset"]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
