import pytest

from dpf_core.gym.catalogue import load_catalogue
from dpf_core.gym.source_rows import row_count_differences, rows_then
from dpf_core.gym.sources import MirrorSource
from dpf_core.gym.task_build import build_task

SPECS = load_catalogue("mirror")


def test_the_rows_of_every_split_are_known_but_for_the_source_that_was_no_data_set():
    unknown = {name for name, spec in SPECS.items() if rows_then(spec).keys() != set(spec.splits)}
    assert unknown == {"proto_qa"}


def test_a_split_with_other_rows_than_then_is_named_with_both_counts():
    counts = {"train": 1056, "validation": 299}
    assert row_count_differences(SPECS["ai2_arc"], counts) == [
        "train has 1056 rows, 1119 when CrossFit read it"
    ]


def test_equal_counts_and_unknown_ones_give_no_phrase():
    assert row_count_differences(SPECS["ai2_arc"], {"train": 1119, "validation": 299}) == []
    assert row_count_differences(SPECS["proto_qa"], {"train": 5}) == []


@pytest.fixture
def built(tmp_path, put):
    def build(task, columns):
        spec = SPECS[task]
        for split in spec.splits:
            put(split, columns, f"{spec.source_id}/{spec.source_config or 'default'}")
        return build_task(MirrorSource(tmp_path / "mirror"), spec, tmp_path)

    return build


def test_a_build_says_that_its_source_has_other_rows_than_then(built):
    choices = {"text": ["yes", "no"], "label": ["A", "B"]}
    columns = {"question": ["Is it?"], "choices": [choices], "answerKey": ["B"]}
    record = built("ai2_arc", {name: cells * 70 for name, cells in columns.items()})
    assert record.reason.startswith(
        "train has 70 rows, 1119 when CrossFit read it; "
        "validation has 70 rows, 299 when CrossFit read it; CrossFit's differ: ai2_arc_32_100_dev"
    )


def test_rows_that_are_left_out_count_as_rows_of_the_source(built):
    columns = {"tokens": [["a", "b"]] * 80, "labels": [[0, 1]] * 70 + [[4, 4]] * 10}
    record = built("acronym_identification", columns)
    assert (record.rows.full_train, record.reason[:17]) == (70, "train has 80 rows")


def test_a_build_says_that_the_order_of_answers_is_not_known(built):
    columns = {"question": ["Who?"] * 70, "answers": [{"text": ["Ada", "A."]}] * 70}
    reason = built("squad-no_context", columns).reason
    assert "; CrossFit's order of several answers is not known; " in reason
