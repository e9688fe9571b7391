"""Tiny worlds of every family, made when first asked for and shared; none may change a backbone."""

from functools import cache

import pytest

from tests import properties, tiny


@pytest.fixture(scope="session")
def writers_gym(tmp_path_factory):
    """The tiny gym with a task of free text, `reply`; task ids: mood, pick, reply, topic."""
    return tiny.gym(tmp_path_factory.mktemp("writers"), tiny.TASKS_OF_WRITERS)


@pytest.fixture(scope="session")
def world_of(tiny_gym, writers_gym, tmp_path_factory):
    """Return the world of a family; every backbone must end as it began."""
    folder, before = tmp_path_factory.mktemp("families"), {}

    @cache
    def made(family):
        gym = writers_gym if family in tiny.WRITERS else tiny_gym
        world = tiny.world(tiny.backbone(folder / family, family), gym)
        before[family] = properties.copy_tensors(world.backbone)
        return world

    yield made
    for family, tensors in before.items():
        assert properties.changed(tensors, made(family).backbone) == set(), family


@pytest.fixture(params=tiny.FAMILIES)
def any_world(request, world_of):
    return world_of(request.param)


@pytest.fixture(params=tiny.WRITERS)
def writer(request, world_of):
    """The world of a family that ranks and writes answers."""
    return world_of(request.param)
