"""CrossFit's shuffles, carves and few-shot samples, as row numbers.

CrossFit seeds numpy's legacy generator and shuffles a list of rows. `RandomState(seed)` is that
generator without the global state; its stream is frozen by numpy's compatibility policy, and an
array of row numbers takes the same steps as a list of rows. Numbers need four bytes a row, so that
the rows themselves can stay on disk.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

CARVE_SEED = 42
CARVE_TRAIN_FRACTION = 0.8
_PART_ROWS = 65_536
RowNumbers = NDArray[np.int32]


def shuffled(count: int, seed: int) -> RowNumbers:
    """Return the numbers 0 to count - 1 as `numpy.random.shuffle` orders a list after that seed."""
    numbers = np.arange(count, dtype=np.int32)
    np.random.RandomState(seed).shuffle(numbers)
    return numbers


def carved(count: int, carve: Mapping[str, float]) -> tuple[RowNumbers, RowNumbers]:
    """Return the train and test rows of a source that has no held-out split.

    Args:
        count: The source's rows.
        carve: As in `TaskSpec.carve`; empty gives 80% and the rest.
    """
    order = shuffled(count, CARVE_SEED)
    if "train_rows" in carve:
        cut, start = int(carve["train_rows"]), int(carve["train_rows"])
        end = start + int(carve["test_rows"])
    else:
        cut = int(carve.get("train", CARVE_TRAIN_FRACTION) * count)
        start, end = int(carve["test_from"] * count) if "test_from" in carve else cut, count
    return order[:cut], order[start:end]


def held_out_part(count: int, fraction: float) -> RowNumbers:
    """Return the rows that remain of a held-out split that is shuffled and cut."""
    return shuffled(count, CARVE_SEED)[: int(fraction * count)]


def few_shot(
    count: int, *, shots: int, seed: int, labels: RowNumbers | None = None, num_labels: int = 0
) -> tuple[list[int], list[int]]:
    """Return the train and dev rows of one seed.

    Args:
        count: All training rows.
        shots: Rows for train, and again for dev: of each label, or altogether.
        seed: One of CrossFit's five seeds.
        labels: The label of each row as a number, or None where shots are counted altogether. The
            samples keep the order in which the labels first appear.
        num_labels: How many labels there are; once all have their shots no further row is read.
    """
    order = shuffled(count, seed)
    if labels is None:
        return order[:shots].tolist(), order[shots : 2 * shots].tolist()
    groups: dict[int, list[int]] = {}
    num_full = 0
    for part in _parts(order):
        for row, label in zip(part.tolist(), labels[part].tolist(), strict=True):
            group = groups.setdefault(label, [])
            if len(group) < 2 * shots:
                group.append(row)
                num_full += len(group) == 2 * shots
        if num_full == num_labels:
            break
    train = [row for group in groups.values() for row in group[:shots]]
    dev = [row for group in groups.values() for row in group[shots:]]
    return train, dev


def each(numbers: RowNumbers) -> Iterator[int]:
    """Yield row numbers one by one, without a list of all."""
    for part in _parts(numbers):
        yield from part.tolist()


def distinct(numbers: RowNumbers) -> set[int]:
    """Return the different numbers, without a sorted copy of all."""
    found: set[int] = set()
    for part in _parts(numbers):
        found.update(part.tolist())
    return found


def _parts(numbers: RowNumbers) -> Iterator[RowNumbers]:
    for start in range(0, len(numbers), _PART_ROWS):
        yield numbers[start : start + _PART_ROWS]
