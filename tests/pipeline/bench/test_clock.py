import pytest

from dpf_core.errors import ConfigError
from pipeline.bench.clock import alternate, check_repeats


def test_sides_take_turns_and_the_warm_up_does_not_count():
    seen = []
    sides = {name: lambda turn, name=name: seen.append((name, turn)) for name in "AB"}
    turns = alternate(sides, repeats=2)
    assert seen == [("A", 0), ("B", 0), ("A", 1), ("B", 1), ("A", 2), ("B", 2)]
    assert turns.order == ["A", "B", "A", "B"]
    assert {side: len(seconds) for side, seconds in turns.seconds.items()} == {"A": 2, "B": 2}


def test_a_device_is_waited_for_before_and_after_every_turn():
    seen = []
    alternate({"A": lambda turn: seen.append("A")}, repeats=1, wait=lambda: seen.append("wait"))
    assert seen == ["wait", "A", "wait"] * 2


def test_a_ratio_compares_neighbouring_turns():
    turns = alternate({}, repeats=0)
    turns.seconds.update(A=[2.0, 9.0], B=[1.0, 3.0])
    assert turns.ratios("A", "B") == [2.0, 3.0]


def test_too_few_turns_for_a_median_are_refused():
    check_repeats(5)
    with pytest.raises(ConfigError, match=r"--repeats must be >= 5, got 4 .*measure more"):
        check_repeats(4)
