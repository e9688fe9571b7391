import pytest

from dpf_core.errors import ConfigError
from dpf_core.gym.config import IngestConfig

SECTION = {"source": "starter", "mirror_dir": None, "tasks": "all", "jobs": 1}


def test_all_and_a_list_of_tasks_are_both_tuples():
    assert IngestConfig.from_section(SECTION).tasks == ("all",)
    assert IngestConfig.from_section(SECTION | {"tasks": ["a", "b"]}).tasks == ("a", "b")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"job": 1}, "got 'job'. Did you mean 'jobs'?"),
        ({"source": "miror"}, "got 'miror' (ingest.source in params.yaml). Did you mean 'mirror'?"),
        ({"mirror_dir": "m"}, "mirror_dir must be null unless source is mirror or hub"),
        ({"jobs": 0}, "jobs must be >= 1, got 0"),
        ({"tasks": []}, "tasks must be 'all' or a list of names, got []"),
        ({"tasks": ["all", "trec"]}, "got ['all', 'trec']"),
        ({"tasks": "trec"}, "got 'trec'"),
    ],
)
def test_a_wrong_setting_is_refused(changes, message):
    with pytest.raises(ConfigError) as caught:
        IngestConfig.from_section(SECTION | changes)
    assert message in str(caught.value)
