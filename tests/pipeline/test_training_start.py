import pytest

from dpf_core.config import ModelConfig, RuntimeConfig, TrainConfig
from dpf_core.errors import ConfigError
from dpf_core.export.peft_adapter import export_adapters
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
        model=tiny.config(ModelConfig, init_from=str(start)),
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


def test_a_run_cannot_start_from_the_pool_that_it_replaces(world, tiny_gym, tmp_path):
    with pytest.raises(ConfigError, match="another folder than the pool that is trained"):
        train(world, tiny_gym, tmp_path, tmp_path / "here" / ".." / "pool")
