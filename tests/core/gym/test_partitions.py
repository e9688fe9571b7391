import pytest

from dpf_core.gym.official import official_tasks
from dpf_core.gym.partitions import partitions

SIZES = {
    # Train, dev and test tasks as CrossFit counts them in its paper (table 1, where the dev tasks
    # of the four last are called test tasks).
    "random": (120, 20, 20),
    "45cls": (45, 10, 10),
    "23cls+22non-cls": (45, 10, 10),
    "45non-cls": (45, 10, 10),
    "held-out-nli": (57, 8, 0),
    "held-out-para": (61, 4, 0),
    "held-out-mrc": (42, 9, 0),
    "held-out-mcqa": (29, 22, 0),
}


def test_the_partitions_have_crossfits_numbers_of_tasks():
    found = {p.name: (len(p.train), len(p.dev), len(p.test)) for p in partitions().values()}
    assert found == SIZES


def test_a_partition_names_official_tasks_only():
    named = {task for p in partitions().values() for task in p.train + p.dev + p.test}
    assert named <= official_tasks().keys()


@pytest.mark.parametrize("name", SIZES)
def test_no_task_stands_on_two_sides_but_sick(name):
    one = partitions()[name]
    both = (set(one.train) & {*one.dev, *one.test}) | (set(one.dev) & set(one.test))
    assert both == ({"sick"} if name == "held-out-nli" else set())


def test_targets_are_the_test_tasks_or_where_there_are_none_the_dev_tasks():
    assert "superglue-cb" in partitions()["45cls"].targets
    assert partitions()["held-out-para"].targets == (
        "glue-mrpc", "glue-qqp", "medical_questions_pairs", "paws",
    )  # fmt: skip


def test_the_three_partitions_that_compare_sources_share_their_targets():
    names = ("45cls", "23cls+22non-cls", "45non-cls")
    assert len({(partitions()[name].dev, partitions()[name].test) for name in names}) == 1
