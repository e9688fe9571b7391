import errno
import hashlib
from pathlib import Path

import pytest

from dpf_core.config import BackboneConfig, EvaluateConfig, ModelConfig, RuntimeConfig, TrainConfig
from dpf_core.errors import CheckpointError
from dpf_core.examples import SPLIT_SETTINGS
from pipeline import evaluating, training
from pipeline.evaluating import EvaluatePaths, run_evaluation
from pipeline.training import TrainPaths, TrainSettings, run_training
from tests import tiny


def hashes(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("pool", "plots", "metrics")
        for path in (folder / part).rglob("*")
        if path.is_file()
    }


def test_a_disk_that_fills_after_the_pool_is_written_leaves_the_earlier_run_whole(
    tmp_path, monkeypatch
):
    gym, name = tiny.gym(tmp_path / "world"), str(tiny.backbone_folder(tmp_path / "backbone"))

    def run(seed):
        paths = TrainPaths(
            gym=gym, pool=tmp_path / "pool", metrics=tmp_path / "metrics" / "train.json",
            plots=tmp_path / "plots", checkpoints=tmp_path / "checkpoints",
        )  # fmt: skip
        settings = TrainSettings(
            runtime=tiny.config(RuntimeConfig, num_threads=1),
            backbone=tiny.config(BackboneConfig, name=name),
            model=tiny.config(ModelConfig),
            train=tiny.config(TrainConfig, seed=seed, max_steps=3),
        )
        run_training(paths, settings)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    run(seed=1)
    before = hashes(tmp_path)
    monkeypatch.setattr(training, "train_plots", full)
    with pytest.raises(OSError, match="No space left"):
        run(seed=2)
    assert hashes(tmp_path) == before


def test_the_pool_says_which_rows_were_held_out_and_evaluation_takes_those(tmp_path, monkeypatch):
    gym, name = tiny.gym(tmp_path / "world"), str(tiny.backbone_folder(tmp_path / "backbone"))
    runtime = tiny.config(RuntimeConfig, num_threads=1)
    paths = TrainPaths(
        gym=gym, pool=tmp_path / "pool", metrics=tmp_path / "metrics" / "train.json",
        plots=tmp_path / "plots", checkpoints=tmp_path / "checkpoints",
    )  # fmt: skip
    trained = tiny.config(TrainConfig, seed=5, max_steps=3)
    settings = TrainSettings(
        runtime=runtime, backbone=tiny.config(BackboneConfig, name=name),
        model=tiny.config(ModelConfig), train=trained,
    )  # fmt: skip
    run_training(paths, settings)
    asked, split = [], evaluating.split_training_rows

    def watched(*args, **options):
        asked.append(options)
        return split(*args, **options)

    monkeypatch.setattr(evaluating, "split_training_rows", watched)
    folder = tmp_path / "evaluated"
    inputs = EvaluatePaths(
        gym=gym, pool=paths.pool, metrics=folder / "evaluate.json", plots=folder / "plots"
    )
    run_evaluation(inputs, runtime, tiny.config(EvaluateConfig), tiny.config(TrainConfig, seed=13))
    wanted = {name: getattr(trained, name) for name in SPLIT_SETTINGS}
    assert asked == [wanted] * 3


@pytest.mark.parametrize("split", [None, [], {"seed": 5}, {"seed": 5, "max_steps": 3}])
def test_a_damaged_split_of_a_pool_is_one_sentence(split):
    with pytest.raises(CheckpointError, match=r"the split of a pool must be seed, dev_rows, max_t"):
        evaluating._split({"split": split}, tiny.config(TrainConfig), Path("pool"))
