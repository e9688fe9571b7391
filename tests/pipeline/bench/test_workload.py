import pytest

from dpf_core.errors import ConfigError
from pipeline.bench.workload import hash_row_ids, load_workload, open_gym
from tests import tiny

AMOUNT = {"num_steps": 3, "batch_size": 4, "max_train_rows": 8, "held_out_rows": 2}


def row_ids(workload):
    return [workload.row_id(*pair) for step in range(3) for pair in workload.batch(step)]


def test_the_same_gym_gives_the_same_rows_in_the_same_order(tiny_gym):
    first, second = (row_ids(load_workload(tiny_gym, **AMOUNT)) for _ in range(2))
    assert hash_row_ids(first) == hash_row_ids(second)
    assert hash_row_ids(first) != hash_row_ids(reversed(first))


def test_a_rows_name_is_its_task_and_line(tiny_gym):
    workload = load_workload(tiny_gym, **AMOUNT)
    task, row = workload.batch(0)[0]
    line = workload.train_rows[task][row].line
    assert workload.row_id(task, row) == f"{workload.tasks[task].name}:{line}"


def test_tasks_that_the_peer_cannot_train_are_left_out_and_named(tiny_gym):
    workload = load_workload(tiny_gym, **AMOUNT)
    assert [task.name for task in workload.tasks] == ["mood", "topic"]
    assert workload.left_out == ("pick",)


def test_a_gym_without_classification_is_refused(tmp_path):
    gym = tiny.gym(tmp_path, {"pick": tiny.TASKS["pick"]})
    with pytest.raises(ConfigError, match=r"must have a classification task.*got multiple_choice"):
        load_workload(gym, **AMOUNT)


@pytest.mark.parametrize("given", [(None, None), ("gym", "mirror")], ids=["neither", "both"])
def test_rows_come_from_one_place(given, request):
    with (
        pytest.raises(ConfigError, match=r"one of --gym DIR and --mirror DIR, got (neither|both)"),
        open_gym(*given),
    ):
        pass


def test_an_absent_mirror_is_named(tmp_path):
    with (
        pytest.raises(ConfigError, match=r"the mirror must be an existing folder, got .*nowhere"),
        open_gym(None, tmp_path / "nowhere"),
    ):
        pass
