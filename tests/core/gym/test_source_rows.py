from dpf_core.gym.catalogue import load_catalogue
from dpf_core.gym.source_rows import row_count_differences, rows_then

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
