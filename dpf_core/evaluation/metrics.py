"""CrossFit's seven metrics over answer strings; the statistics are scikit-learn's and SciPy's.

A row has one accepted answer (a string) or several (a tuple, the first is the reference). Metrics
that judge row by row take the best over the accepted answers; the others know the reference only.
"""

import math
import re
import string
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from dpf_core.errors import ConfigError, GymError
from dpf_core.evaluation.rouge_l import rouge_l
from dpf_core.naming import nearest

Answer = str | tuple[str, ...]
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def accuracy(predictions: Sequence[str], answers: Sequence[Answer]) -> float:
    """Return the share of predictions that equal an answer, upper and lower case alike."""
    return _mean_best(lambda p, a: float(p.lower() == a.lower()), predictions, answers)


def exact_match(predictions: Sequence[str], answers: Sequence[Answer]) -> float:
    """Return the share of predictions that equal an answer after `normalise`."""
    return _mean_best(lambda p, a: float(normalise(p) == normalise(a)), predictions, answers)


def qa_f1(predictions: Sequence[str], answers: Sequence[Answer]) -> float:
    """Return the mean F1 of the words that prediction and answer share after `normalise`.

    Two texts without words score 0, as CrossFit has it; SQuAD's second version says 1.
    """
    return _mean_best(_word_f1, predictions, answers)


def rouge(predictions: Sequence[str], answers: Sequence[Answer]) -> float:
    """Return the mean of CrossFit's Rouge-L; a prediction of punctuation alone scores 0."""
    return _mean_best(
        lambda p, a: rouge_l(p, a) if p.translate(_PUNCTUATION) else 0.0, predictions, answers
    )


def macro_f1(predictions: Sequence[str], answers: Sequence[Answer]) -> float:
    """Return the mean F1 over all strings that occur as reference or prediction."""
    from sklearn.metrics import f1_score

    texts = _references(answers), list(predictions)
    return float(f1_score(*texts, average="macro", zero_division=0.0))


def matthews_correlation(predictions: Sequence[str], answers: Sequence[Answer]) -> float:
    """Return Matthews' correlation of being `acceptable`, as CrossFit scores glue-cola."""
    from sklearn.metrics import matthews_corrcoef

    pair = _references(answers), predictions
    is_acceptable = [[text == "acceptable" for text in texts] for texts in pair]
    return float(matthews_corrcoef(*is_acceptable))


def pearson_correlation(predictions: Sequence[str], answers: Sequence[Answer]) -> float:
    """Return Pearson's correlation of predictions and references read as numbers.

    0 where it is undefined: one number throughout, fewer than two rows, or a prediction that is no
    number. CrossFit's own result is then NaN, which no mean survives.

    Raises:
        GymError: A reference is not a finite number.
    """
    from scipy.stats import pearsonr

    references = [_number(text) for text in _references(answers)]
    if None in references:
        wrong = answers[references.index(None)]
        raise GymError(
            f"Pearson-Correlation must have numbers as answers, got {wrong!r}. Correct the row, or "
            "give the task another metric."
        )
    numbers = [_number(prediction) for prediction in predictions]
    if None in numbers or min(len(set(numbers)), len(set(references))) < 2:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numbers that are nearly equal; the result is checked
        result = float(pearsonr(references, numbers).statistic)
    return result if math.isfinite(result) else 0.0


METRICS: dict[str, Callable[[Sequence[str], Sequence[Answer]], float]] = {
    "ACC": accuracy,
    "Classification-F1": macro_f1,
    "EM": exact_match,
    "Matthew-Correlation": matthews_correlation,
    "Pearson-Correlation": pearson_correlation,
    "QA-F1": qa_f1,
    "Rouge-L": rouge,
}
"""By CrossFit's names."""


def score(metric: str, predictions: Sequence[str], answers: Sequence[Answer]) -> float:
    """Return a task's score as a fraction (Matthews and Pearson in [-1, 1]).

    Blanks around predictions and answers do not count.

    Raises:
        ConfigError: There is no such metric, or there is nothing to score.
        GymError: An answer is not what the metric reads.
        ValueError: There are more predictions than answers, or fewer.
    """
    check_metric(metric, METRICS)
    if not answers:
        raise ConfigError(f"{metric} must have rows to score, got 0. Check the task's test file.")
    if len(predictions) != len(answers):
        raise ValueError(f"{len(predictions)} predictions came for {len(answers)} answers")
    stripped = [tuple(text.strip() for text in accepted(answer)) for answer in answers]
    return METRICS[metric]([prediction.strip() for prediction in predictions], stripped)


def check_metric(metric: str, known: Mapping[str, object]) -> str:
    """Return the name if it is known.

    Raises:
        ConfigError: It is not.
    """
    if metric not in known:
        raise ConfigError(
            f"the metric must be one of {', '.join(known)}, got {metric!r}."
            f"{nearest(metric, known)} Correct the name."
        )
    return metric


def accepted(answer: Answer) -> tuple[str, ...]:
    """Return all accepted answers of a row; the first is the reference."""
    return (answer,) if isinstance(answer, str) else answer


def normalise(text: str) -> str:
    """Return lower-case words without punctuation and articles, one blank between them.

    Example:
        >>> normalise("The  Beatles' songs.")
        'beatles songs'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def majority_answer(train_answers: Sequence[str]) -> str:
    """Return the most frequent training answer; of equals the one that comes first."""
    return Counter(train_answers).most_common(1)[0][0]


def _references(answers: Sequence[Answer]) -> list[str]:
    return [accepted(answer)[0] for answer in answers]


def _mean_best(
    judge: Callable[[str, str], float], predictions: Sequence[str], answers: Sequence[Answer]
) -> float:
    """Return the mean over rows of the best judgement among the accepted answers."""
    return sum(
        max(judge(prediction, text) for text in accepted(answer))
        for prediction, answer in zip(predictions, answers, strict=True)
    ) / len(answers)


def _word_f1(prediction: str, answer: str) -> float:
    predicted, expected = normalise(prediction).split(), normalise(answer).split()
    shared = (Counter(predicted) & Counter(expected)).total()
    return 2 * shared / (len(predicted) + len(expected)) if shared else 0.0


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
