"""Which tasks may be source and which target: what no row needs to be read for."""

from collections.abc import Sequence
from pathlib import Path

from dpf_core.errors import ConfigError

RELATED = (
    ("glue-rte", "superglue-rte"),
    ("commonsense_qa", "cos_e"),
    ("trec", "trec-finegrained"),
    ("race-high", "race-middle"),
    ("rotten_tomatoes", "glue-sst2"),
)
"""Pairs of CrossFit's tasks that are made of the same rows, whatever a search for leaks finds."""


def check_sets(
    targets: Sequence[str], sources: Sequence[str], seeds: Sequence[int], where: Path
) -> None:
    """Return if every task has one role, and no task is related to one of the other role.

    Raises:
        ConfigError: A set is empty or names something twice, or the sets overlap.
    """
    for key, names in (("targets", targets), ("sources", sources), ("seeds", seeds)):
        double = sorted({str(name) for name in names if list(names).count(name) > 1})
        if not names or double:
            raise ConfigError(
                f"gym.{key} in {where} must name each of at least one once, got "
                f"{', '.join(double) + ' twice' if double else 'none'}. Correct the list."
            )
    if both := sorted(set(targets) & set(sources)):
        raise ConfigError(
            f"source and target tasks must be different ones, got {', '.join(both)} as both (gym "
            f"in {where}). Remove each from gym.sources or from gym.targets."
        )
    for pair in RELATED:
        for source, target in (pair, pair[::-1]):
            if source in sources and target in targets:
                raise ConfigError(
                    f"a source must not be made of a target's rows, got the source {source!r} for "
                    f"the target {target!r} (gym in {where}). Remove one of them."
                )
