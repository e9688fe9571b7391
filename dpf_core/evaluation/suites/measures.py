"""Measures of benchmarks that are not CrossFit's, beside those that are.

SuperGLUE's MultiRC asks several answers of one question to be judged each. Its rows read
`question: ... [SEP] answer: ... [SEP] context: ...`, and rows that differ in the answer alone are
one question.
"""

from collections.abc import Callable, Sequence

from dpf_core.errors import GymError
from dpf_core.evaluation.metrics import METRICS, Answer, accepted, score

RIGHT = "true"
_ANSWER, _CONTEXT = " [SEP] answer: ", " [SEP] context: "

Measure = Callable[[Sequence[str], Sequence[Answer], Sequence[str]], float]
"""Predictions, answers and inputs to a score."""


def answer_f1(
    predictions: Sequence[str], answers: Sequence[Answer], inputs: Sequence[str]
) -> float:
    """Return the F1 of finding the right answers, over all questions together (F1a)."""
    del inputs
    expected = [accepted(answer)[0] == RIGHT for answer in answers]
    found = [prediction == RIGHT for prediction in predictions]
    hits = sum(a and b for a, b in zip(expected, found, strict=True))
    return 2 * hits / (sum(expected) + sum(found)) if hits else 0.0


def question_match(
    predictions: Sequence[str], answers: Sequence[Answer], inputs: Sequence[str]
) -> float:
    """Return the share of questions whose every answer is judged rightly.

    Raises:
        GymError: An input has no answer and context.
    """
    is_right: dict[tuple[str, str], bool] = {}
    for prediction, answer, text in zip(predictions, answers, inputs, strict=True):
        question = question_of(text)
        right = prediction == accepted(answer)[0]
        is_right[question] = is_right.get(question, True) and right
    return sum(is_right.values()) / len(is_right)


def question_of(text: str) -> tuple[str, str]:
    """Return question and context of an input, without its answer.

    Raises:
        GymError: The input has no answer and context.
    """
    question, mark, rest = text.partition(_ANSWER)
    _, context_mark, context = rest.partition(_CONTEXT)
    if not (mark and context_mark):
        raise GymError(
            f"an input must read `question: ...{_ANSWER}...{_CONTEXT}...` for Question-EM, got "
            f"{text[:80]!r}. Give the task another measure."
        )
    return question, context


def _of_rows(metric: str) -> Measure:
    def measure(
        predictions: Sequence[str], answers: Sequence[Answer], inputs: Sequence[str]
    ) -> float:
        del inputs
        return score(metric, predictions, answers)

    return measure


MEASURES: dict[str, Measure] = {
    **{metric: _of_rows(metric) for metric in METRICS},
    "Answer-F1": answer_f1,
    "Question-EM": question_match,
}
"""Every measure that a suite may name: CrossFit's metrics, and two of SuperGLUE's."""
