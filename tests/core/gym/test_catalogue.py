import pytest

from dpf_core.errors import GymError
from dpf_core.gym.catalogue import load_catalogue, select_tasks
from dpf_core.gym.sources import MirrorSource


@pytest.fixture
def sparse(tmp_path, put):
    """A mirror that has TREC alone."""
    put("train", {"text": ["a"], "label-coarse": [0], "label-fine": [0]}, "trec/default")
    return MirrorSource(tmp_path / "mirror")


def test_all_takes_what_the_mirror_has_and_says_why_the_rest_is_missing(sparse):
    selection = select_tasks(sparse, ["all"])
    assert [spec.name for spec in selection.specs] == ["trec", "trec-finegrained"]
    assert len(selection.missing) == len(load_catalogue("mirror")) - 2
    assert selection.missing["emotion"] == (
        "mirror lacks emotion/default/train.parquet, emotion/default/validation.parquet"
    )


def test_kinds_take_the_tasks_of_these_kinds_that_the_mirror_has(sparse):
    selection = select_tasks(sparse, ["classification", "multiple_choice"])
    assert [spec.name for spec in selection.specs] == ["trec", "trec-finegrained"]
    assert "sciq" in selection.missing
    assert "samsum" not in selection.missing


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["trek"], "got 'trek'. Did you mean 'trec'?"),
        (["trec", "all"], "got 'all'"),
        (["trec", "trec"], "got 'trec' twice"),
        (
            ["emotion"],
            "task 'emotion': the source 'mirror' must have emotion/default/train.parquet",
        ),
    ],
)
def test_a_task_that_cannot_be_chosen_is_refused(sparse, names, message):
    with pytest.raises(GymError) as caught:
        select_tasks(sparse, names)
    assert message in str(caught.value)
