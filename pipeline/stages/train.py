"""Train pool, scheduler, gate and heads on all tasks of the gym; the backbone stays frozen."""

import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dpf_core.config import BackboneConfig, ModelConfig, RuntimeConfig, TrainConfig
from dpf_core.errors import GymError, ProcessError
from dpf_core.files import read_json
from pipeline.exclusive import exclusive
from pipeline.params import load_config
from pipeline.paths import (
    GYM,
    POOL,
    TRAIN_CHECKPOINTS,
    TRAIN_METRICS,
    TRAIN_PLOTS,
    VALIDATE_METRICS,
)
from pipeline.pipes import report as report_to_dagster
from pipeline.processes import in_one_voice, is_launched, joined, launch
from pipeline.refusals import in_one_sentence
from pipeline.steady import steady
from pipeline.training import TrainPaths, TrainSettings, run_training


@in_one_sentence("train")
@in_one_voice()
def main() -> int:
    """Write data/pool and its metrics and plots, and return the exit code."""
    with steady() as check_inputs:
        return _train(check_inputs)


def _train(check_inputs: Callable[[], None]) -> int:
    runtime = load_config(RuntimeConfig)
    if runtime.num_processes > 1 and not is_launched():
        return launch("pipeline.stages.train", [], runtime)
    paths = TrainPaths(
        gym=GYM, pool=POOL, metrics=TRAIN_METRICS, plots=TRAIN_PLOTS, checkpoints=TRAIN_CHECKPOINTS
    )
    settings = TrainSettings(
        runtime=runtime,
        backbone=load_config(BackboneConfig),
        model=load_config(ModelConfig),
        train=load_config(TrainConfig),
    )
    _check_validated()
    with joined(runtime) as processes:
        metrics = run_training(paths, settings, processes, before_writing=check_inputs)
        if processes.is_first:
            _remove_checkpoints()
            report_to_dagster({name: metrics[name] for name in ("steps", "dev_mean_score")})
    return 0


def _remove_checkpoints() -> None:
    """Remove those of this run and of abandoned ones, but none of a training under way."""
    with suppress(ProcessError), exclusive(TRAIN_CHECKPOINTS, "train into a folder"):
        for folder in filter(Path.is_dir, TRAIN_CHECKPOINTS.iterdir()):
            shutil.rmtree(folder)


def _check_validated() -> None:
    """Refuse a gym that validation refused: whoever runs this stage alone runs past its exit."""
    if count := read_json(VALIDATE_METRICS)["num_critical"]:
        raise GymError(
            f"the gym must have no critical finding, got {count} ({VALIDATE_METRICS}). Mend what "
            "`dvc repro validate` names."
        )


if __name__ == "__main__":
    sys.exit(main())
