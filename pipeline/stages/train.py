"""Train pool, scheduler, gate and heads on all tasks of the gym; the backbone stays frozen."""

import shutil
import sys

from dpf_core.config import BackboneConfig, ModelConfig, RuntimeConfig, TrainConfig
from dpf_core.errors import DPFError
from pipeline.params import load_config
from pipeline.paths import CHECKPOINTS, GYM, POOL, TRAIN_METRICS, TRAIN_PLOTS
from pipeline.pipes import report as report_to_dagster
from pipeline.training import TrainPaths, TrainSettings, run_training


def main() -> int:
    """Write data/pool and its metrics and plots, and return the exit code."""
    paths = TrainPaths(
        gym=GYM, pool=POOL, metrics=TRAIN_METRICS, plots=TRAIN_PLOTS, checkpoints=CHECKPOINTS
    )
    try:
        settings = TrainSettings(
            runtime=load_config(RuntimeConfig),
            backbone=load_config(BackboneConfig),
            model=load_config(ModelConfig),
            train=load_config(TrainConfig),
        )
        metrics = run_training(paths, settings)
    except DPFError as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        cure = "Correct the permissions or free disk space, then run again: training resumes."
        print(f"train: data/ must be writable, got {error}. {cure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("train: interrupted; run again: training resumes.", file=sys.stderr)
        return 130
    shutil.rmtree(CHECKPOINTS, ignore_errors=True)  # of this run and of abandoned ones
    report_to_dagster({"steps": metrics["steps"], "dev_mean_score": metrics["dev_mean_score"]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
