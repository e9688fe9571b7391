"""Which examples each step sees: a table made from the seed alone, before training starts.

A table instead of a running sampler makes resuming exact: step s is row s, whatever came before.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def task_probabilities(
    row_counts: Sequence[int], sampling_temperature: float
) -> NDArray[np.float64]:
    """Return [T], each task's share of the examples, proportional to rows^(1 / temperature)."""
    shares = np.asarray(row_counts, dtype=np.float64) ** (1 / sampling_temperature)
    return np.asarray(shares / shares.sum())


def mixing_table(
    row_counts: Sequence[int],
    *,
    num_steps: int,
    batch_size: int,
    sampling_temperature: float,
    seed: int,
) -> NDArray[np.int64]:
    """Return [num_steps, batch_size, 2], the (task id, row) of every example of every step.

    Tasks are drawn by systematic sampling over a random order: a task's expected count is exactly
    batch_size times its probability, and its count never differs from that by one or more. Rows of
    a task come in shuffled epochs, each row once before any comes again.

    Args:
        row_counts: [T] training rows of each task.
        num_steps: Steps of training.
        batch_size: Examples a step.
        sampling_temperature: See `task_probabilities`.
        seed: Of every draw.
    """
    generator = np.random.default_rng(seed)
    probabilities = task_probabilities(row_counts, sampling_temperature)
    table = np.empty((num_steps, batch_size, 2), dtype=np.int64)
    for step in range(num_steps):
        order = generator.permutation(len(row_counts))
        edges = np.cumsum(probabilities[order]) * batch_size
        points = np.arange(batch_size) + generator.random()
        chosen = np.minimum(np.searchsorted(edges, points, side="right"), len(order) - 1)
        table[step, :, 0] = order[chosen]
    for task_id, count in enumerate(row_counts):
        mine = table[:, :, 0] == task_id
        epochs = -(-int(mine.sum()) // count)
        rows = [generator.permutation(count) for _ in range(epochs)]
        table[mine, 1] = np.concatenate([*rows, np.empty(0, dtype=np.int64)])[: mine.sum()]
    return table
