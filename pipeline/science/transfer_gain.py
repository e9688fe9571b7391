"""Prompt Transfer Gain and what must stand beside it: pure functions of scores.

`PTG = mean over targets of s_t / b_t`, which is 1 + CrossFit's Average Relative Gain (arXiv
2104.08835). s_t and b_t are a method's and the baseline's mean over the few-shot seeds, of scores
of which correlations were moved to [0, 1] before. A ratio alone misleads: a weak baseline makes it
large, and a single target can carry it.

T targets, S few-shot seeds, R resamples of a target's test rows, N draws of a bootstrap.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Value = TypeVar("Value", float, Floats)

CORRELATIONS = ("Matthew-Correlation", "Pearson-Correlation")
"""Metrics in [-1, 1]."""
_TAILS = (2.5, 97.5)
"""Percentiles that leave 95% between them."""
_ROUNDING = 1e-12
"""Means that differ by less are equal: sums of scores round by 1e-16, and a row weighs far more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetScores:
    """One method on one target."""

    scores: Floats
    """[S], by seed in the order of the settings; a correlation is moved to [0, 1]."""
    resampled: Floats
    """[S, R], the same on resamples of the test rows, which are the same for every method."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetGain:
    """A method beside the baseline on one target; all scores in [0, 1]."""

    score: float
    """s_t, mean over the seeds."""
    baseline: float
    """b_t, without regard to the floor."""
    ratio: float
    """s_t / max(b_t, floor)."""
    difference: float
    """s_t - b_t."""
    difference_ci95: tuple[float, float]
    """Over seeds and test rows, both drawn alike for method and baseline."""
    is_floored: bool
    """Whether the floor stood in for b_t."""
    is_hurt: bool
    """Whether the interval lies below 0, by more than rounding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferGain:
    """PTG of a method and its companions."""

    mean_ratio: float
    """PTG."""
    median_ratio: float
    ratio_of_means: float
    """Mean of s_t over mean of b_t, or over the floor."""
    share_below: float
    """Share of targets with s_t < b_t; means that differ by rounding alone are equal."""
    share_hurt: float
    """Share of targets whose interval of s_t - b_t lies below 0."""
    ci95: tuple[float, float]
    """Of the mean ratio, over targets and seeds."""
    num_floored: int
    """Targets whose b_t the floor replaced in the ratio."""

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def comparable(score: Value, metric: str) -> Value:
    """Return scores in [0, 1]: correlations as (1 + x) / 2, others as they are.

    >>> comparable(-0.5, "Matthew-Correlation"), comparable(0.5, "ACC")
    (0.25, 0.5)
    """
    return (1 + score) / 2 if metric in CORRELATIONS else score


def target_gain(method: TargetScores, baseline: TargetScores, *, floor: float) -> TargetGain:
    """Return how a method stands beside the baseline on one target.

    The interval is a bootstrap over two things at once: every draw of S seeds with replacement, as
    often as it comes, and with each the R resamples of test rows. Draws and resamples are the same
    for both, because a seed's rows are.

    Args:
        method: [S] scores.
        baseline: Of the same seeds and resamples.
        floor: Least value that divides.

    Raises:
        ValueError: The two have other shapes.
    """
    if method.resampled.shape != baseline.resampled.shape:
        raise ValueError(f"{method.resampled.shape} is paired with {baseline.resampled.shape}")
    shares, chances = _all_draws(len(method.scores))
    drawn = shares @ (method.resampled - baseline.resampled)  # [draws, R]
    low, high = _quantiles(drawn, np.broadcast_to(chances[:, None], drawn.shape))
    score, base = float(method.scores.mean()), float(baseline.scores.mean())
    return TargetGain(
        score=score,
        baseline=base,
        ratio=score / max(base, floor),
        difference=score - base,
        difference_ci95=(low, high),
        is_floored=base < floor,
        is_hurt=high < -_ROUNDING,
    )


def transfer_gain(
    method: Mapping[str, TargetScores],
    baseline: Mapping[str, TargetScores],
    *,
    floor: float,
    num_draws: int,
    draw_seed: int,
) -> tuple[TransferGain, dict[str, TargetGain]]:
    """Return a method's PTG with its companions, and its gain on every target.

    Args:
        method: Scores by target, the whole set that was fixed beforehand.
        baseline: The same targets and seeds.
        floor: Least value that divides.
        num_draws: N.
        draw_seed: Of the draws.

    Raises:
        ValueError: The two have other targets, or none.
    """
    if not method or method.keys() != baseline.keys():
        raise ValueError(f"targets {sorted(method)} are compared with {sorted(baseline)}")
    targets = {
        name: target_gain(scores, baseline[name], floor=floor) for name, scores in method.items()
    }
    gains = list(targets.values())
    ratios = np.array([gain.ratio for gain in gains])
    ours, theirs = (
        np.stack([side[name].scores for name in method]) for side in (method, baseline)
    )  # [T, S]
    generator = np.random.default_rng(draw_seed)
    drawn = _mean_ratios(ours, theirs, floor, num_draws, generator)
    low, high = np.percentile(drawn, _TAILS)
    return TransferGain(
        mean_ratio=float(ratios.mean()),
        median_ratio=float(np.median(ratios)),
        ratio_of_means=float(ours.mean() / max(theirs.mean(), floor)),
        share_below=sum(gain.difference < -_ROUNDING for gain in gains) / len(gains),
        share_hurt=sum(gain.is_hurt for gain in gains) / len(gains),
        ci95=(float(low), float(high)),
        num_floored=sum(gain.is_floored for gain in gains),
    ), targets


def mean_interval(values: Floats, *, num_draws: int, draw_seed: int) -> tuple[float, float]:
    """Return the 95% interval of a mean over targets of means over seeds, both drawn.

    Args:
        values: [T, S], scores, or differences of scores that belong together.
        num_draws: N.
        draw_seed: Of the draws.
    """
    chosen, weights = _draws(values.shape, num_draws, np.random.default_rng(draw_seed))
    drawn = (weights * values[chosen]).sum(axis=2).mean(axis=1)  # [N]
    low, high = np.percentile(drawn, _TAILS)
    return float(low), float(high)


def _mean_ratios(
    method: Floats, baseline: Floats, floor: float, num_draws: int, generator: np.random.Generator
) -> Floats:
    """Return [N] mean ratios of drawn targets and seeds.

    Args:
        method: [T, S] scores.
        baseline: [T, S] scores.
        floor: Least value that divides.
        num_draws: N.
        generator: Of the draws.
    """
    chosen, weights = _draws(method.shape, num_draws, generator)
    means = [(weights * scores[chosen]).sum(axis=2) for scores in (method, baseline)]
    drawn: Floats = (means[0] / np.maximum(means[1], floor)).mean(axis=1)
    return drawn


def _draws(
    shape: tuple[int, ...], num_draws: int, generator: np.random.Generator
) -> tuple[Ints, Floats]:
    """Return [N, T] targets drawn with replacement, and [N, T, S] shares of each one's seeds.

    Seeds are drawn within a target, and anew where it is drawn again: seed 13 of one task has
    nothing to do with that of another.
    """
    num_targets, num_seeds = shape
    chosen = generator.integers(num_targets, size=(num_draws, num_targets))
    even = np.full(num_seeds, 1 / num_seeds)
    return chosen, generator.multinomial(num_seeds, even, size=chosen.shape) / num_seeds


def _all_draws(num_seeds: int) -> tuple[Floats, Floats]:
    """Return every draw of S seeds with replacement, whatever the order, and how likely each is.

    Returns:
        [draws, S], the share of each seed in a draw, and [draws], which sums to 1.
    """
    draws = list(itertools.combinations_with_replacement(range(num_seeds), num_seeds))
    counts = np.array([np.bincount(draw, minlength=num_seeds) for draw in draws])
    orders = [
        math.factorial(num_seeds) / math.prod(map(math.factorial, count))
        for count in counts.tolist()
    ]
    return counts / num_seeds, np.array(orders) / num_seeds**num_seeds


def _quantiles(values: Floats, weights: Floats) -> tuple[float, float]:
    """Return the least values below which, themselves included, the shares of `_TAILS` lie."""
    order = np.argsort(values, axis=None, kind="stable")
    below = np.cumsum(weights.ravel()[order]) / weights.sum()
    low, high = (values.ravel()[order[np.searchsorted(below, tail / 100)]] for tail in _TAILS)
    return float(low), float(high)
