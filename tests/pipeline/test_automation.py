import dagster as dg
import pytest

from pipeline.automation import NEW_TASKS_TAG, new_tasks
from pipeline.resources import DvcRunner


@pytest.fixture
def incoming(tmp_path):
    folder = tmp_path / "data/incoming"
    folder.mkdir(parents=True)
    return folder


def put(incoming, name, rows="a\tb\n"):
    (incoming / name).mkdir(exist_ok=True)
    (incoming / name / "train.tsv").write_text(rows)
    (incoming / name / "task.yaml").write_text("{}\n")


def tick(incoming, cursor=None):
    runner = DvcRunner(project_dir=str(incoming.parents[1]))
    with dg.build_sensor_context(cursor=cursor, resources={"dvc": runner}) as context:
        return new_tasks(context)


def asked_for(result):
    return [request.tags[NEW_TASKS_TAG] for request in result.run_requests]


def test_a_new_task_is_asked_for_once(incoming):
    put(incoming, "news")
    first = tick(incoming)
    second = tick(incoming, first.cursor)
    assert asked_for(first) == ["news"]
    assert asked_for(second) == []
    assert second.cursor is None


def test_a_changed_task_and_a_further_one_share_one_request(incoming):
    put(incoming, "news")
    put(incoming, "old")
    cursor = tick(incoming).cursor
    put(incoming, "news", "c\td\n")
    put(incoming, "more")
    assert asked_for(tick(incoming, cursor)) == ["more,news"]


def test_a_touched_file_with_the_same_content_asks_for_nothing(incoming):
    put(incoming, "news")
    cursor = tick(incoming).cursor
    (incoming / "news/train.tsv").touch()
    assert asked_for(tick(incoming, cursor)) == []


def test_an_incomplete_directory_waits(incoming):
    (incoming / "half").mkdir()
    result = tick(incoming)
    assert asked_for(result) == []
    assert "no new task" in result.skip_reason.skip_message


def test_a_removed_task_asks_for_nothing_but_its_return_does(incoming):
    put(incoming, "news")
    first = tick(incoming)
    (incoming / "news").rename(incoming.parent / "aside")
    removed = tick(incoming, first.cursor)
    (incoming.parent / "aside").rename(incoming / "news")
    back = tick(incoming, removed.cursor)
    assert asked_for(removed) == []
    assert "removed: news" in removed.skip_reason.skip_message
    assert asked_for(back) == ["news"]
    assert back.run_requests[0].run_key != first.run_requests[0].run_key


def test_a_repeated_tick_with_a_lost_cursor_has_the_same_run_key(incoming):
    put(incoming, "news")
    keys = [tick(incoming).run_requests[0].run_key for _ in range(2)]
    assert keys[0] == keys[1]
