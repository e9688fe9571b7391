from dataclasses import replace

import pytest
import torch

from dpf_core.backbone.families import FAMILIES
from dpf_core.errors import ConfigError
from dpf_core.training.autotune import (
    Combination,
    Run,
    Workload,
    combinations,
    largest_difference,
    measure,
    recommended,
    run_workload,
    variations,
)
from tests import properties, tiny

A = Combination(precision="fp32", attention="eager", batch_tokens=4096, num_threads=1)
B = replace(A, attention="sdpa")
C = replace(A, precision="bf16")


def turn(seconds, *losses):
    return Run(train_seconds=seconds, forward_seconds=seconds, losses=losses)


class Machine:
    """Runs of given lengths; `order` has every turn taken."""

    def __init__(self, **seconds):
        self.seconds = {"a": 0.1, "b": 0.1, "c": 0.1} | seconds
        self.order = []

    def run(self, combination, factor=1.0):
        name = "abc"[[A, B, C].index(combination)]
        self.order.append(name)
        seconds = self.seconds[name]
        if isinstance(seconds, list):  # turn by turn, the last for ever
            seconds = seconds.pop(0) if len(seconds) > 1 else seconds[0]
        if seconds is None:
            raise torch.OutOfMemoryError
        return turn(factor * seconds, 1.0)

    def pilot(self, combination):
        return self.run(combination, factor=0.5)

    def measure(self, repeats=2, limit=1e9, **more):
        return measure(
            [A, B, C], self.pilot, self.run, repeats=repeats, limit_seconds=limit, **more
        )


def test_combinations_take_turns_and_the_first_turn_does_not_count():
    machine, ticks = Machine(b=0.2), []
    found = machine.measure(on_turn=lambda: ticks.append(1))
    assert "".join(machine.order) == "abc" * 3
    assert [len(m.runs) for m in found] == [2, 2, 2]
    assert [m.train_seconds for m in found] == [0.1, 0.2, 0.1]
    assert len(ticks) == 12


def test_what_is_hopeless_has_two_short_turns_and_is_dropped():
    machine = Machine(c=[2.0, 3.0])
    found = machine.measure(repeats=3)
    assert machine.order.count("c") == 2
    assert (found[2].ended, found[2].runs, len(found[2].pilots)) == ("slow", [], 2)
    assert [m.ended for m in found[:2]] == [None, None]


def test_a_slow_start_alone_drops_nothing():
    machine = Machine(a=[9.0, 0.1, 0.1, 9.0, 0.1])
    found = machine.measure(repeats=3)
    assert "".join(machine.order) == "abc" + "a" + "abc" * 3
    assert (found[0].ended, found[0].train_seconds) == (None, 0.1)


def test_what_turns_out_slow_in_whole_turns_is_dropped_after_two():
    found = Machine(c=[0.1, 0.9]).measure(repeats=4)
    assert (found[2].ended, len(found[2].runs)) == ("slow", 2)


@pytest.mark.parametrize(("c", "why"), [(0.4, "under a second"), (2.5, "under three times")])
def test_short_turns_and_small_differences_drop_nothing(c, why):
    seconds = {"a": 0.1, "b": 0.1} if c < 1 else {"a": 1.0, "b": 1.0}
    assert [m.ended for m in Machine(**seconds, c=c).measure()] == [None] * 3, why


def test_no_turn_begins_after_the_limit():
    machine = Machine()
    found = machine.measure(repeats=9, limit=0.65)  # pilots 0.3, then 0.2 a turn
    assert "".join(machine.order) == "abcab"
    assert [m.ended for m in found] == ["limit"] * 3


def test_what_does_not_fit_the_memory_ends_and_the_others_go_on():
    machine = Machine(b=None)
    found = machine.measure()
    assert "".join(machine.order) == "abcacac"
    assert [m.ended for m in found] == [None, "memory", None]
    assert recommended(found, B).combination == A


@pytest.mark.parametrize(
    ("seconds", "current", "wanted"),
    [
        ({"b": 0.05}, A, B),
        ({"b": 0.097}, C, C),  # alike: what is set stays
        ({"b": 0.097}, replace(A, num_threads=9), A),  # alike, none is set: the first
    ],
)
def test_the_fastest_is_recommended_and_among_equals_what_is_set(seconds, current, wanted):
    assert recommended(Machine(**seconds).measure(), current).combination == wanted


def test_where_nothing_ran_the_reasons_are_named():
    found = Machine(a=None, b=None).measure(limit=0.01)
    with pytest.raises(ConfigError, match="got out of memory, out of time"):
        recommended(found, A)


def test_the_loss_difference_is_the_largest_over_all_runs():
    first, second = Machine().measure()[:2]
    second.runs = [turn(1, 1.0), turn(1, 1.5)]
    assert largest_difference(second, first) == 0.5
    second.runs = []
    assert largest_difference(second, first) is None


@pytest.mark.parametrize(
    ("family", "attentions"), [("bert", ["packed", "eager", "sdpa"]), ("gpt2", ["eager", "sdpa"])]
)
def test_only_what_the_family_allows_is_combined(family, attentions):
    found = combinations(
        FAMILIES[family], precisions=("fp32", "bf16"), batch_tokens=64, num_threads=1
    )
    expected = [(p, a) for p in ("fp32", "bf16") for a in attentions]
    assert [(c.precision, c.attention) for c in found] == expected


def test_variations_begin_with_the_combination_and_repeat_nothing():
    found = variations(A, batch_tokens=[64, 4096], num_threads=[2])
    assert found[0] == A
    assert [(c.batch_tokens, c.num_threads) for c in found] == [
        (4096, 1), (4096, 2), (64, 1), (64, 2),
    ]  # fmt: skip


@pytest.fixture(params=["bert", "llama", "t5"])
def other_world(request, tmp_path, tiny_gym):
    return tiny.world(tiny.backbone(tmp_path / "backbone", request.param), tiny_gym)


def test_a_run_trains_nothing_and_every_attention_has_the_same_losses(other_world):
    model = other_world.model()
    workload = Workload(
        models={"fp32": model}, step=other_world.rows(), forward=other_world.dev_sets
    )
    before = properties.copy_tensors(model)
    packs = other_world.backbone.family.kind == "encoder"
    losses = [
        run_workload(workload, replace(A, attention=attention, batch_tokens=size)).losses
        for attention in ("eager", "sdpa", *["packed"] * packs)
        for size in (64, 4096)
    ]
    for found in losses[1:]:
        assert found == pytest.approx(losses[0], abs=1e-4)
    assert properties.changed(before, model) == set()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert workload.pilot().forward_rows == 0


def test_a_backbone_that_cannot_run_so_says_so(tmp_path):
    with pytest.raises(ConfigError, match="must be eager or sdpa"):
        tiny.backbone(tmp_path / "gpt2", "gpt2").reconfigure(attention="packed", batch_tokens=64)
