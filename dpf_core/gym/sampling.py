"""CrossFit's few-shot sampling and its 80/20 carve, to the byte.

CrossFit seeds numpy's legacy generator and shuffles a list. `RandomState(seed)` is that generator
without the global state, and its stream is frozen by numpy's compatibility policy.
"""

from collections.abc import Sequence

import numpy as np

Row = tuple[str, str]
"""An input and its output."""

CARVE_SEED = 42
CARVE_TRAIN_FRACTION = 0.8


def shuffled(rows: Sequence[Row], seed: int) -> list[Row]:
    """Return the rows in the order of `numpy.random.seed(seed)` and `numpy.random.shuffle`."""
    result = list(rows)
    np.random.RandomState(seed).shuffle(result)
    return result


def carve(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return train and test rows of a source that has no held-out split: 80% and the rest."""
    order = shuffled(rows, CARVE_SEED)
    cut = int(CARVE_TRAIN_FRACTION * len(order))
    return order[:cut], order[cut:]


def sample_few_shot(
    rows: Sequence[Row], *, shots: int, seed: int, per_label: bool
) -> tuple[list[Row], list[Row]]:
    """Return the train and dev rows of one seed.

    Args:
        rows: All training rows, in source (or carved) order.
        shots: Rows for train, and again for dev: of each label, or altogether.
        seed: One of CrossFit's five seeds.
        per_label: Whether the outputs are labels; labels keep the order of their first appearance.
    """
    order = shuffled(rows, seed)
    if not per_label:
        return order[:shots], order[shots : 2 * shots]
    groups: dict[str, list[Row]] = {}
    for row in order:
        groups.setdefault(row[1], []).append(row)
    train = [row for group in groups.values() for row in group[:shots]]
    dev = [row for group in groups.values() for row in group[shots : 2 * shots]]
    return train, dev
