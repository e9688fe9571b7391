import pytest

from tests import tiny
from tests.pipeline.science import small_science


@pytest.fixture(scope="session")
def science_gym(tmp_path_factory):
    """The gym of `small_science.TASKS`, read-only by agreement."""
    return tiny.gym(tmp_path_factory.mktemp("science"), small_science.TASKS)


@pytest.fixture
def project(tmp_path, science_gym, backbone_folder):
    """A project of which nothing has run yet."""
    return small_science.project(tmp_path, science_gym, backbone_folder)


@pytest.fixture
def studied(project):
    """A project with studies."""
    small_science.write_studies(project)
    return project
