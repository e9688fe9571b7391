import itertools

import numpy as np
import pytest

from pipeline.science.transfer_gain import TargetScores, comparable, target_gain, transfer_gain

OPTIONS = {"floor": 0.05, "num_draws": 2000, "draw_seed": 1}


def scores(*by_seed, spread=0.0, num_resamples=40):
    """Return scores whose resamples lie around them, with the same noise for every method."""
    noise = np.linspace(-1, 1, num_resamples) * spread
    table = np.array(by_seed, dtype=float)
    return TargetScores(scores=table, resampled=table[:, None] + noise)


BASE = {"a": scores(0.4, 0.6), "b": scores(0.2, 0.2), "c": scores(0.8, 0.8)}
BETTER = {"a": scores(0.5, 0.7), "b": scores(0.4, 0.4), "c": scores(0.6, 0.6)}


def test_the_figures_are_those_of_the_definition():
    gain, _ = transfer_gain(BETTER, BASE, **OPTIONS)
    assert gain.mean_ratio == pytest.approx((1.2 + 2 + 0.75) / 3)
    assert gain.median_ratio == pytest.approx(1.2)
    assert gain.ratio_of_means == pytest.approx((0.6 + 0.4 + 0.6) / (0.5 + 0.2 + 0.8))
    assert gain.share_below == pytest.approx(1 / 3)
    assert gain.num_floored == 0


def test_the_baseline_gains_nothing_over_itself():
    gain, targets = transfer_gain(BASE, BASE, **OPTIONS)
    assert (gain.mean_ratio, gain.median_ratio, gain.ratio_of_means) == (1, 1, 1)
    assert (gain.share_below, gain.share_hurt, gain.ci95) == (0, 0, (1, 1))
    assert {target.difference_ci95 for target in targets.values()} == {(0, 0)}


def test_the_floor_divides_in_place_of_a_smaller_baseline_and_is_counted():
    gain, targets = transfer_gain({"a": scores(0.1)}, {"a": scores(0.01)}, **OPTIONS)
    assert gain.mean_ratio == pytest.approx(0.1 / 0.05)
    assert gain.num_floored == 1
    assert targets["a"].is_floored
    assert targets["a"].baseline == 0.01


@pytest.mark.parametrize(
    ("metric", "score", "expected"),
    [
        ("Matthew-Correlation", -1, 0), ("Matthew-Correlation", 0, 0.5),
        ("Pearson-Correlation", 1, 1), ("Classification-F1", 0.3, 0.3), ("ACC", 0, 0),
    ],
)  # fmt: skip
def test_a_correlation_is_moved_to_where_ratios_mean_something(metric, score, expected):
    assert comparable(score, metric) == expected


def test_a_target_is_hurt_only_if_the_interval_of_its_difference_lies_below_zero():
    def hurt(*by_seed):
        return target_gain(scores(*by_seed), scores(0.5, 0.5, 0.5), floor=0.05).is_hurt

    assert hurt(0.4, 0.42, 0.45)
    assert not hurt(0.4, 0.42, 0.52)  # below on average, but one seed in three disagrees
    assert not hurt(0.6, 0.6, 0.6)


def test_means_that_differ_by_rounding_alone_are_equal():
    method, base = {"a": scores(0.3, 0.2, 0.1)}, {"a": scores(0.1, 0.2, 0.3)}
    flat = {"a": scores(0.2, 0.2, 0.2)}
    sides = [(method, base), (base, method), (method, flat), (flat, method), (base, flat)]
    gains = [transfer_gain(*side, **OPTIONS) for side in sides]
    assert min(targets["a"].difference for _, targets in gains) < 0  # by 1e-17
    assert {(gain.share_below, gain.share_hurt) for gain, _ in gains} == {(0, 0)}


def test_a_mean_that_is_less_by_one_row_is_below():
    gain, _ = transfer_gain({"a": scores(0.5 - 1e-6)}, {"a": scores(0.5)}, **OPTIONS)
    assert (gain.share_below, gain.share_hurt) == (1, 1)


def test_noise_of_test_rows_that_method_and_baseline_share_cancels_out():
    base, method = scores(0.5, 0.5, spread=0.2), scores(0.49, 0.49, spread=0.2)
    assert target_gain(method, base, floor=0.05).is_hurt


def test_noise_of_test_rows_that_is_the_methods_own_widens_the_interval():
    base, method = scores(0.5, 0.5), scores(0.49, 0.49, spread=0.2)
    found = target_gain(method, base, floor=0.05)
    assert found.difference_ci95[0] < found.difference < found.difference_ci95[1]
    assert not found.is_hurt


def test_the_interval_of_a_difference_is_that_of_all_draws_of_seeds():
    rng = np.random.default_rng(3)
    method = TargetScores(scores=rng.random(3), resampled=rng.random((3, 30)))
    base = TargetScores(scores=rng.random(3), resampled=rng.random((3, 30)))
    every = [
        (method.resampled - base.resampled)[list(draw)].mean(axis=0)
        for draw in itertools.product(range(3), repeat=3)
    ]
    exact = np.percentile(np.stack(every), (2.5, 97.5), method="inverted_cdf")
    found = target_gain(method, base, floor=0.05)
    assert found.difference_ci95 == pytest.approx(exact)


def test_the_interval_of_the_mean_ratio_is_that_of_all_draws_of_targets_and_seeds():
    tables = [np.array([[0.2, 0.3], [0.5, 0.9]]), np.array([[0.4, 0.4], [0.3, 0.5]])]
    sides = [{"a": scores(*table[0]), "b": scores(*table[1])} for table in tables]
    draws = list(itertools.product(range(2), repeat=2))
    every = [
        np.mean([
            tables[0][target, list(draw)].mean() / tables[1][target, list(draw)].mean()
            for target, draw in zip(chosen, seeds, strict=True)
        ])
        for chosen in draws
        for seeds in itertools.product(draws, repeat=2)
    ]  # fmt: skip
    gain, _ = transfer_gain(*sides, floor=0.05, num_draws=50_000, draw_seed=1)
    assert gain.ci95 == pytest.approx(np.percentile(every, (2.5, 97.5)), abs=0.02)


def test_more_targets_narrow_the_interval():
    def width(copies):
        sides = [
            {f"{name}{i}": value for name, value in side.items() for i in range(copies)}
            for side in (BETTER, BASE)
        ]
        low, high = transfer_gain(*sides, **OPTIONS)[0].ci95
        return high - low

    assert width(9) < width(1) / 2


def test_the_order_of_targets_changes_no_figure_but_by_the_draws():
    turned = [dict(reversed(side.items())) for side in (BETTER, BASE)]
    first, second = transfer_gain(BETTER, BASE, **OPTIONS)[0], transfer_gain(*turned, **OPTIONS)[0]
    assert first.mean_ratio == pytest.approx(second.mean_ratio)
    assert first.ci95 == pytest.approx(second.ci95, abs=0.05)


def test_two_computations_give_the_same_figures():
    assert transfer_gain(BETTER, BASE, **OPTIONS) == transfer_gain(BETTER, BASE, **OPTIONS)


@pytest.mark.parametrize("method", [{}, {"a": BASE["a"]}])
def test_a_subset_of_the_targets_is_never_compared(method):
    with pytest.raises(ValueError, match="compared with"):
        transfer_gain(method, BASE, **OPTIONS)


def test_scores_on_other_resamples_are_never_paired():
    with pytest.raises(ValueError, match="paired"):
        target_gain(scores(0.1, 0.2), scores(0.1, 0.2, num_resamples=3), floor=0.05)
