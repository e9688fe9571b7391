"""Score the pool on every task's test rows and measure its failure signatures."""

import sys

from dpf_core.config import EvaluateConfig, RuntimeConfig, TrainConfig
from pipeline.evaluating import EvaluatePaths, run_evaluation
from pipeline.params import load_config
from pipeline.paths import EVALUATE_METRICS, EVALUATE_PLOTS, GYM, POOL
from pipeline.pipes import report as report_to_dagster
from pipeline.refusals import in_one_sentence
from pipeline.steady import steady


@in_one_sentence("evaluate")
@steady()
def main() -> int:
    """Write the metrics and plots of data/pool and return the exit code."""
    paths = EvaluatePaths(gym=GYM, pool=POOL, metrics=EVALUATE_METRICS, plots=EVALUATE_PLOTS)
    metrics = run_evaluation(
        paths,
        load_config(RuntimeConfig),
        load_config(EvaluateConfig),
        load_config(TrainConfig),
    )
    print(f"mean score {metrics['mean_score']:.3f}, majority {metrics['majority_mean_score']:.3f}")
    for alarm in metrics["alarms"]:
        print(f"alarm: {alarm['name']}: {alarm['message']}")
    report_to_dagster({"mean_score": metrics["mean_score"], "alarms": len(metrics["alarms"])})
    return 0


if __name__ == "__main__":
    sys.exit(main())
