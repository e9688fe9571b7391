import shutil
from dataclasses import replace

import pytest

from dpf_core.config import ModelConfig, RuntimeConfig, TrainConfig
from dpf_core.errors import ConfigError, ProcessError
from dpf_core.export.peft_adapter import export_adapters
from dpf_core.files import read_json
from dpf_core.loss_balancing import RandomWeights
from dpf_core.pool_io import read_pool_config
from pipeline.training import TrainPaths, TrainSettings, run_key, run_training
from tests import tiny


@pytest.fixture
def adapters(world, tmp_path):
    export_adapters(world.model(), tmp_path / "adapters")
    return tmp_path / "adapters"


def settings(world, start):
    return TrainSettings(
        runtime=tiny.config(RuntimeConfig, num_threads=1),
        backbone=world.backbone.config,
        model=tiny.config(ModelConfig, init_from=start and str(start)),
        train=tiny.config(TrainConfig, max_steps=2),
    )


def train(world, gym, folder, start):
    paths = TrainPaths(
        gym=gym, pool=folder / "pool", metrics=folder / "metrics" / "train.json",
        plots=folder / "plots", checkpoints=folder / "checkpoints",
    )  # fmt: skip
    run_training(paths, settings(world, start))
    return paths.pool


def test_a_trained_pool_says_what_it_started_from(world, tiny_gym, tmp_path, adapters):
    pool = train(world, tiny_gym, tmp_path / "run", adapters)
    assert read_pool_config(pool)["init_from"] == world.model(init_from=str(adapters)).origin


def test_checkpoints_of_another_start_belong_to_another_run(world, tiny_gym, adapters):
    def key():
        given = settings(world, adapters)
        return run_key(tiny_gym, world.model(init_from=str(adapters)), given)

    first = key()
    assert key() == first
    export_adapters(world.model(seed=4), adapters)
    assert key() != first


def test_checkpoints_of_another_tokenizer_belong_to_another_run(world, tiny_gym, tmp_path):
    folder = shutil.copytree(world.backbone.directory, tmp_path / "backbone")

    def key():
        model = tiny.world(tiny.backbone(folder), tiny_gym).model()
        return run_key(tiny_gym, model, settings(world, None))

    first, path = key(), folder / "tokenizer.json"
    assert key() == first
    path.write_text(path.read_text().replace('"dog"', '"cat"', 1))
    assert key() != first


def test_random_weights_raise_no_alarm_of_a_clamp(world, tiny_gym, tmp_path):
    paths = TrainPaths(
        gym=tiny_gym, pool=tmp_path / "pool", metrics=tmp_path / "train.json",
        plots=tmp_path / "plots", checkpoints=tmp_path / "checkpoints",
    )  # fmt: skip
    seed = next(i for i in range(999) if RandomWeights(3, seed=i, step=2).weights.min() < 0.1)
    random = tiny.config(TrainConfig, max_steps=2, loss_balancing="random", seed=seed)
    run_training(paths, replace(settings(world, None), train=random))
    metrics = read_json(paths.metrics)
    assert min(metrics["task_weights"].values()) < 0.1
    assert metrics["alarms"] == []


def test_a_run_cannot_start_from_the_pool_that_it_replaces(world, tiny_gym, tmp_path):
    with pytest.raises(ConfigError, match="another folder than the pool that is trained"):
        train(world, tiny_gym, tmp_path, tmp_path / "here" / ".." / "pool")


def test_a_second_training_into_a_folder_is_refused_and_an_interrupted_one_keeps_its_checkpoint(
    world, tiny_gym, tmp_path
):
    paths = TrainPaths(
        gym=tiny_gym, pool=tmp_path / "pool", metrics=tmp_path / "train.json",
        plots=tmp_path / "plots", checkpoints=tmp_path / "checkpoints",
    )  # fmt: skip
    long = replace(settings(world, None), train=tiny.config(TrainConfig, max_steps=5))

    def second():
        run_training(paths, long)

    with pytest.raises(ProcessError, match="one run at a time must train into a folder"):
        run_training(paths, long, before_writing=second)
    assert [path for path in paths.checkpoints.rglob("*") if path.name != ".lock"]
    assert not paths.pool.exists()
    run_training(paths, long)
    assert read_pool_config(paths.pool)
