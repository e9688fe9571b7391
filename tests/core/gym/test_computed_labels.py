from dpf_core.gym.computed import COMPUTED


def test_a_cited_span_is_cut_from_its_text():
    row = {"string": "as in [1] here", "citeStart": 6, "citeEnd": 9}
    assert [found["cited"] for found in COMPUTED["cited_span"](iter([row]))] == ["[1]"]


def test_a_majority_needs_more_votes_than_any_other_label():
    votes = [[0, 0, 2], [0, 1, 2], [1, 1, 1], [2, 2, 1, 1]]
    rows = [{"annotators": {"label": labels}} for labels in votes]
    assert [row["majority"] for row in COMPUTED["majority_label"](iter(rows))] == [0, 1]


def test_annotators_may_be_a_list_of_structs():
    row = {"annotators": [{"label": 1}, {"label": 1}, {"label": 0}]}
    assert next(COMPUTED["majority_label"](iter([row])))["majority"] == 1


def test_ratings_pass_through_32_bits_and_the_middle_is_left_out():
    rows = [{"rating": rating} for rating in (0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)]
    found = [(row["rating"], row["wellformed"]) for row in COMPUTED["wellformedness"](iter(rows))]
    assert found == [(0.0, 0), (0.2, 0), (0.6, 1), (0.8, 1), (1.0, 1)]
