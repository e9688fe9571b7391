import json

import pytest

from dpf_core.errors import GymError
from dpf_core.gym.task_check import check_task, check_tasks


@pytest.fixture
def mood(incoming):
    return incoming / "mood"


def places(check):
    return [(problem.file, problem.line) for problem in check.problems]


def test_a_right_task_is_ready_and_its_rows_are_counted(mood):
    check = check_task(mood)
    assert (check.passed, check.problems, check.rows) == (True, [], {"train": 10})


def test_everything_that_is_wrong_is_listed_at_once_with_file_and_line(mood):
    (mood / "task.yaml").write_text((mood / "task.yaml").read_text() + "shoots: 2\n")
    (mood / "train.tsv").write_text("a\tsad\nb\n\xff\tsad\n \tsad\nc\thapy\n" * 2, "latin-1")
    (mood / "test.tsv").write_text("a\tsad\nb\thappy")
    check = check_task(mood)
    assert places(check) == [
        ("task.yaml", 8),
        *(("train.tsv", line) for line in (2, 3, 4, 5, 7, 8, 9, 10)),
        ("test.tsv", 2),
        ("mood", None),
    ]
    assert "got 'hapy'. Did you mean 'happy'?" in check.problems[4].message
    assert "every label must occur, got no row of 'happy'" in check.problems[-1].message
    assert check.rows == {"train": 2, "test": 1}


def test_a_rows_own_line_is_named_where_records_span_lines(mood):
    (mood / "train.tsv").unlink()
    (mood / "train.csv").write_text('input,output\n"two, lines\nhere",sad\nb,hapy\n')
    assert places(check_task(mood))[:2] == [("train.csv", 2), ("train.csv", 4)]


def test_too_few_rows_are_found_by_a_build_for_trial(mood):
    (mood / "task.yaml").write_text((mood / "task.yaml").read_text().replace("2\n", "16\n"))
    (problem,) = check_task(mood).problems
    assert "there must be more rows than 16 shots of a label" in problem.message


def test_problems_beyond_the_limit_are_counted_by_file(mood):
    (mood / "train.tsv").write_text("a\n" * 50)
    check = check_task(mood, limit=3)
    assert (len(check.problems), check.unlisted) == (3, {"train.tsv": 47})


def test_rows_are_read_although_what_they_mean_is_not_known(mood):
    (mood / "task.yaml").write_text("kind: [\n")
    (mood / "train.tsv").write_text("a\tsad\nb\n")
    assert places(check_task(mood)) == [("task.yaml", 2), ("train.tsv", 2)]


def test_a_folder_without_its_files_or_with_too_many_is_told_so(mood):
    (mood / "task.yaml").unlink()
    (mood / "train.csv").write_text("input,output\na,sad\n")
    (mood / "train.txt").touch()
    check = check_task(mood)
    assert places(check) == [("task.yaml", None), ("mood", None)]
    assert "got train.tsv, train.csv" in check.problems[1].message
    assert check.unread == ["train.txt"]


def test_two_files_of_one_split_are_reported_once(mood):
    (mood / "train.csv").write_text("input,output\na,sad\n")
    (problem,) = check_task(mood).problems
    assert "there must be one of train.tsv, " in problem.message


def test_a_file_that_cannot_be_read_is_reported_once(mood):
    (mood / "train.tsv").unlink()
    (mood / "train.parquet").write_bytes(b"PAR1")
    (problem,) = check_task(mood).problems
    assert "must be a complete parquet file" in problem.message


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"input": "two\\nlines", "output": "sad"}', "got a line feed in 'two\\nlines'"),
        ('{"input": "a\\ttab", "output": "sad"}', "naming `clean: [one_line]`"),
        ('{"input": "a", "output": 7}', "or its number from 0, got 7"),
        ('{"input": 1.5, "output": "sad"}', "column 'input' must hold text, got 1.5"),
        ('{"input": null, "output": "sad"}', "column 'input' must hold text, got None"),
        ('{"input": "a"}', "there must be a column 'output', got 'input'"),
    ],
)
def test_a_row_that_no_gym_can_hold_is_listed(mood, row, message):
    (mood / "train.tsv").unlink()
    rows = [json.dumps({"input": f"text {n}", "output": n % 2}) for n in range(12)]
    (mood / "train.jsonl").write_text("\n".join([*rows, row]))
    (problem,) = check_task(mood).problems
    assert problem.line == 13
    assert message in problem.message


def test_a_tab_too_many_is_listed_where_there_is_one_answer(mood):
    with (mood / "train.tsv").open("a") as stream:
        stream.write("a\tsad\tb\n")
    (problem,) = check_task(mood).problems
    assert "got 3 columns, the third of them 'b'. Remove tabs" in problem.message


def test_an_empty_file_has_no_rows(mood):
    (mood / "test.tsv").touch()
    assert places(check_task(mood)) == [("test.tsv", None)]


def test_a_folder_of_tasks_is_checked_task_by_task(incoming):
    (incoming / "empty").mkdir()
    assert [(check.name, check.passed) for check in check_tasks(incoming)] == [
        ("empty", False),
        ("mood", True),
    ]


def test_a_name_that_leaves_its_folder_is_reported(incoming):
    (incoming / "mood").rename(incoming / "my mood")
    (check,) = check_tasks(incoming)
    assert "a task name must be" in check.problems[0].message


@pytest.mark.parametrize("name", ["nowhere", "bare"])
def test_where_there_is_no_task_the_way_to_one_is_said(tmp_path, name):
    (tmp_path / "bare").mkdir()
    with pytest.raises(GymError, match=r"Make .* with `dpf gym new`"):
        check_tasks(tmp_path / name)
