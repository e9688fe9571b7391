import pytest

from dpf_core.errors import GymError
from dpf_core.gym.incoming import read_task
from dpf_core.gym.scaffold import WRITERS, new_task
from dpf_core.gym.task_check import check_task
from dpf_core.gym.terms import KINDS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", WRITERS)
def test_a_new_task_of_any_kind_and_format_is_ready(tmp_path, kind, rows):
    check = check_task(new_task("first_try", kind, tmp_path / "new", rows=rows))
    assert (check.problems, check.rows, check.unread) == ([], {"train": 12}, [])


@pytest.mark.parametrize("name", ["true", "12", "2026-01-02", "1e3", "a.b-c"])
def test_any_task_name_survives_yaml(tmp_path, name):
    assert read_task(new_task(name, "text", tmp_path)).name == name


@pytest.mark.parametrize(
    ("name", "kind", "rows", "message"),
    [
        ("../x", "text", "tsv", "a task name must be"),
        ("mood", "clasification", "tsv", "got 'clasification'. Did you mean 'classification'?"),
        ("mood", "text", "json", "--rows must be one of tsv, csv, jsonl, parquet, got 'json'. Did"),
        ("there", "text", "tsv", "which exists"),
    ],
)
def test_what_cannot_be_started_is_refused_and_leaves_nothing(tmp_path, name, kind, rows, message):
    (tmp_path / "there").mkdir()
    with pytest.raises(GymError) as caught:
        new_task(name, kind, tmp_path, rows=rows)
    assert message in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
