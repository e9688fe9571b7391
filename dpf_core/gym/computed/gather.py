"""Source rows that belong to one row of a task. All groups of a split are held in memory."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

NO_ANSWER = "NO ANSWER!"
"""CrossFit's output where no option is right."""

_BREAKS = str.maketrans("\n\t\r", "   ")


def concept_sets(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the first row of each `concept_set_idx`, with all `targets` of the set."""
    for group in _groups(rows, lambda row: row["concept_set_idx"]):
        yield {**group[0], "targets": [row["target"] for row in group]}


def empathetic_replies(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield one row for each `situation`, the prompt with its emotion, with all its `replies`.

    Damaged utterances, which hold "hit:", are left out. The source writes commas as `_comma_`.
    """
    usable = (row for row in rows if "hit:" not in row["utterance"])
    for group in _groups(usable, _situation):
        replies = [_with_commas(row["utterance"]) for row in group]
        yield {
            **group[0],
            "situation": _situation(group[0]),
            "replies": [reply.translate(_BREAKS) for reply in replies],
        }


def multirc_questions(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield one row for each question, with its `option_texts` and its `correct_answers` as a text.

    Right options are joined by " [SEP] "; "NO ANSWER!" stands where none is right.
    """
    for group in _groups(rows, lambda row: row["idx"]["question"]):
        right = [row["answer"] for row in group if row["label"] == 1]
        yield {
            **group[0],
            "option_texts": [row["answer"] for row in group],
            "correct_answers": " [SEP] ".join(right) if right else NO_ANSWER,
        }


def _situation(row: Mapping[str, Any]) -> str:
    return f"{_with_commas(row['prompt'])} [SEP] {row['context']}"


def _with_commas(text: str) -> str:
    return text.replace("_comma_", ",")


def _groups(
    rows: Iterator[Mapping[str, Any]], key: Callable[[Mapping[str, Any]], object]
) -> Iterator[list[Mapping[str, Any]]]:
    """Yield rows of equal key together, in the order in which each key first occurs."""
    groups: dict[object, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return iter(groups.values())
