"""The record of ideas: what was tried to make the method better, and what came out on dev rows.

The code of an idea that lost is gone; its scores stay in `ideas.json`, one a target and seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from dpf_core.errors import ConfigError
from pipeline.science.layout import Layout
from pipeline.science.records import damaged, read_record

Scores = dict[tuple[str, str], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Idea:
    """One idea beside what it is compared with, over the cells that both have."""

    name: str
    expected: str
    verdict: str
    mean: float
    num_cells: int
    against: str | None
    difference: float | None
    """Mean over the common cells, None where it is compared with nothing."""
    standard_error: float | None
    """Of the difference, over the common cells as if they were independent."""


def read_ideas(layout: Layout) -> list[Idea]:
    """Return the ideas of the record in its order; none where there is no record.

    Raises:
        ConfigError: The record is damaged.
    """
    record = read_record(layout.ideas)
    if record is None:
        return []
    try:
        scores = {idea["name"]: _scores(idea["scores"]) for idea in record["ideas"]}
        return [_idea(idea, scores) for idea in record["ideas"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(damaged(layout.ideas, error)) from error


def _scores(by_target: Mapping[str, Mapping[str, float]]) -> Scores:
    return {
        (target, seed): float(score)
        for target, by_seed in by_target.items()
        for seed, score in by_seed.items()
    }


def _idea(idea: Mapping[str, Any], scores: Mapping[str, Scores]) -> Idea:
    mine, against = scores[idea["name"]], idea["against"]
    difference = error = None
    if against is not None:
        theirs = scores[against]
        pairs = [mine[cell] - theirs[cell] for cell in mine if cell in theirs]
        difference, error = fmean(pairs), stdev(pairs) / len(pairs) ** 0.5
    return Idea(
        name=idea["name"],
        expected=idea["expected"],
        verdict=idea["verdict"],
        mean=fmean(mine.values()),
        num_cells=len(mine),
        against=against,
        difference=difference,
        standard_error=error,
    )
