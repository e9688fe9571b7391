"""CrossFit's metrics over answer strings, computed by scikit-learn."""

from collections import Counter
from collections.abc import Callable, Sequence

from dpf_core.errors import ConfigError
from dpf_core.naming import nearest


def accuracy(predictions: Sequence[str], answers: Sequence[str]) -> float:
    """Return the share of predictions that equal the answer, upper and lower case alike."""
    pairs = zip(predictions, answers, strict=True)
    return sum(p.lower() == a.lower() for p, a in pairs) / len(answers)


def macro_f1(predictions: Sequence[str], answers: Sequence[str]) -> float:
    """Return the mean F1 over all strings that occur as answer or prediction."""
    from sklearn.metrics import f1_score

    return float(f1_score(list(answers), list(predictions), average="macro", zero_division=0.0))


def matthews_correlation(predictions: Sequence[str], answers: Sequence[str]) -> float:
    """Return Matthews' correlation of being `acceptable`, as CrossFit scores glue-cola."""
    from sklearn.metrics import matthews_corrcoef

    is_acceptable = [[text == "acceptable" for text in texts] for texts in (answers, predictions)]
    return float(matthews_corrcoef(*is_acceptable))


METRICS: dict[str, Callable[[Sequence[str], Sequence[str]], float]] = {
    "ACC": accuracy,
    "Classification-F1": macro_f1,
    "Matthew-Correlation": matthews_correlation,
}
"""By CrossFit's names."""


def score(metric: str, predictions: Sequence[str], answers: Sequence[str]) -> float:
    """Return a task's score as a fraction (Matthews in [-1, 1]).

    Raises:
        ConfigError: The metric is not served, or there is nothing to score.
    """
    if metric not in METRICS:
        raise ConfigError(
            f"the metric must be one of {', '.join(METRICS)}, got {metric!r}."
            f"{nearest(metric, METRICS)} Tasks with other metrics need a backbone that generates."
        )
    if not answers:
        raise ConfigError(f"{metric} must have rows to score, got 0. Check the task's test file.")
    return METRICS[metric](predictions, answers)


def majority_answer(train_answers: Sequence[str]) -> str:
    """Return the most frequent training answer; of equals the one that comes first."""
    return Counter(train_answers).most_common(1)[0][0]
