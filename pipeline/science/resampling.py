"""A target's score on bootstrap resamples of its test rows, by the metric that scores all of them.

Every method gets the same resamples of a target, so that two methods can be compared in pairs.
"""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dpf_core.evaluation.metrics import Answer, accepted, score

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def resampled_rows(task: str, num_rows: int, num_resamples: int) -> Ints:
    """Return [R, N], row numbers drawn with replacement; they follow from the task's name alone.

    Args:
        task: Whose test rows are drawn.
        num_rows: N.
        num_resamples: R.
    """
    seed = int.from_bytes(hashlib.sha256(task.encode()).digest()[:8])
    return np.random.default_rng(seed).integers(num_rows, size=(num_resamples, num_rows))


def resampled_scores(
    metric: str, predictions: Sequence[str], answers: Sequence[Answer], rows: Ints
) -> list[float]:
    """Return [R] scores, each equal to the metric's on the rows of one resample.

    Args:
        metric: CrossFit's name of it.
        predictions: [N].
        answers: [N].
        rows: [R, N] row numbers.

    Raises:
        ConfigError: There is no such metric, or no row.
        GymError: An answer is not what the metric reads.
    """
    fast = _FAST.get(metric)
    if fast is not None:
        return [float(value) for value in fast(predictions, answers, rows)]
    return [
        score(metric, [predictions[i] for i in drawn], [answers[i] for i in drawn])
        for drawn in rows.tolist()
    ]


def _row_by_row(
    metric: str,
) -> Callable[[Sequence[str], Sequence[Answer], Ints], Floats]:
    """Return the function for a metric that is a mean over rows."""

    def resampled(predictions: Sequence[str], answers: Sequence[Answer], rows: Ints) -> Floats:
        pairs = zip(predictions, answers, strict=True)
        by_row = np.array([score(metric, [prediction], [answer]) for prediction, answer in pairs])
        means: Floats = by_row[rows].mean(axis=1)
        return means

    return resampled


def _macro_f1(predictions: Sequence[str], answers: Sequence[Answer], rows: Ints) -> Floats:
    """Return [R] means of the F1 of every text that a resample holds.

    Counted by text and not by pair of texts: options of a multiple choice are texts of their own.
    """
    sides = _references(answers), [text.strip() for text in predictions]
    known = {text: i for i, text in enumerate(sorted({*sides[0], *sides[1]}))}
    wanted, found = (np.array([known[text] for text in side]) for side in sides)  # [N]
    agreed = np.where(wanted == found, wanted, len(known))
    size = len(known) + 1  # the last counts rows that do not agree
    right = np.stack([np.bincount(agreed[drawn], minlength=size)[:-1] for drawn in rows])
    seen = np.stack(
        [
            np.bincount(np.concatenate((wanted[drawn], found[drawn])), minlength=len(known))
            for drawn in rows
        ]
    )  # [R, C]
    f1 = 2 * right / np.maximum(seen, 1)
    macro: Floats = f1.sum(axis=1) / (seen > 0).sum(axis=1)
    return macro


def _matthews(predictions: Sequence[str], answers: Sequence[Answer], rows: Ints) -> Floats:
    right = np.array([text == "acceptable" for text in _references(answers)])[rows]  # [R, N]
    given = np.array([text.strip() == "acceptable" for text in predictions])[rows]
    pairs = ((right & given), (~right & given), (right & ~given), (~right & ~given))
    tp, fp, fn, tn = (pair.sum(axis=1).astype(np.float64) for pair in pairs)
    scale = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    correlation: Floats = np.where(scale > 0, tp * tn - fp * fn, 0.0) / np.maximum(scale, 1)
    return correlation


def _references(answers: Sequence[Answer]) -> list[str]:
    return [accepted(answer)[0].strip() for answer in answers]


_FAST: dict[str, Callable[[Sequence[str], Sequence[Answer], Ints], Floats]] = {
    "ACC": _row_by_row("ACC"),
    "EM": _row_by_row("EM"),
    "QA-F1": _row_by_row("QA-F1"),
    "Rouge-L": _row_by_row("Rouge-L"),
    "Classification-F1": _macro_f1,
    "Matthew-Correlation": _matthews,
}
"""Metrics that need not be computed anew for each resample."""
