import pytest

from dpf_core.errors import ConfigError
from dpf_core.files import write_json
from pipeline.science.ideas import read_ideas
from pipeline.science.layout import Layout

IDEAS = [
    {
        "name": "old", "expected": "", "verdict": "reference", "against": None,
        "scores": {"a": {"13": 0.5, "21": 0.5}, "b": {"13": 0.2}, "c": {"13": 0.9}},
    },
    {
        "name": "new", "expected": "More.", "verdict": "kept", "against": "old",
        "scores": {"a": {"13": 0.6, "21": 0.8}, "b": {"13": 0.4}},
    },
]  # fmt: skip


def write(folder, **changes):
    layout = Layout.below(folder)
    layout.metrics.mkdir(parents=True)
    write_json(layout.ideas, {"ideas": [IDEAS[0], {**IDEAS[1], **changes}]})
    return layout


def test_an_idea_is_compared_over_the_cells_that_both_have(tmp_path):
    old, new = read_ideas(write(tmp_path))
    assert (old.num_cells, old.mean, old.difference) == (4, pytest.approx(0.525), None)
    assert (new.num_cells, new.mean) == (3, pytest.approx(0.6))
    assert new.difference == pytest.approx(0.2)
    assert new.standard_error == pytest.approx(0.1 / 3**0.5)


def test_without_a_record_there_are_no_ideas(tmp_path):
    assert read_ideas(Layout.below(tmp_path)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"against": "nothing"}, {"scores": {"z": {"13": 0.1}}}, {"scores": {}},
        {"scores": {"a": 1}}, {"scores": {"a": {"13": None}}},
    ],
)  # fmt: skip
def test_a_damaged_record_is_refused_with_its_file(tmp_path, changes):
    layout = write(tmp_path, **changes)
    with pytest.raises(ConfigError, match=r"must be whole, got .*ideas.json"):
        read_ideas(layout)


def test_the_projects_own_record_says_what_was_compared():
    ideas = read_ideas(Layout())
    assert len(ideas) >= 10
    names = [idea.name for idea in ideas]
    assert all(idea.against in (None, *names) for idea in ideas)
