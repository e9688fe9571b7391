import pytest

from dpf_core.errors import GymError
from dpf_core.naming import check_task_name, nearest


@pytest.mark.parametrize("name", ["trec", "glue-sst2", "break-QDMR", "race_high.2", "a" * 64, "7"])
def test_crossfits_kind_of_names_is_accepted(name):
    assert check_task_name(name, "here") == name


@pytest.mark.parametrize(
    "name", ["", "..", "a/b", "../a", "a..b", ".a", "-a", "a b", "a\n", "a\x00", "é", "a" * 65]
)
def test_a_name_that_could_leave_its_folder_is_refused_with_its_place(name):
    with pytest.raises(GymError, match=r"task.yaml") as raised:
        check_task_name(name, "task.yaml")
    assert repr(name) in str(raised.value)


def test_the_nearest_choice_is_suggested_and_a_far_one_is_not():
    assert nearest("temperatur", ["seed", "temperature"]) == " Did you mean 'temperature'?"
    assert nearest("xyz", ["seed", "temperature"]) == ""
