"""Options of multiple-choice questions that are written into one text, or put in a drawn order."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

_LETTERS = "abcde"
_MATH_LABEL_LENGTHS = (len("a ) "), len(" b ) "), len(" c ) "), len(" d ) "), len(" e ) "))
_DRAW_SEED = 42


def aqua_options(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `option_marks`, `option_texts` and `answer_number` from options such as `A)21`.

    Raises:
        ValueError: No option has the letter of the right answer.
    """
    for row in rows:
        options = row["options"]
        letters = [option[:1] for option in options]
        if row["correct"] not in letters:
            raise ValueError(
                f"an option must begin with the letter {row['correct']!r}, got {options!r}"
            )
        yield {
            **row,
            "option_marks": [option[:2] for option in options],
            "option_texts": [option[2:] for option in options],
            "answer_number": _last(letters, row["correct"]),
        }


def math_qa_options(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `option_texts` and `answer_number` from a text such as `a ) 38 , b ) 27.675 , ...`.

    The text is cut at each comma, as CrossFit does, those within a number too. Rows whose right
    option is then empty are left out.

    Raises:
        ValueError: There are fewer than five options, or the right one is not of a to e.
    """
    for row in rows:
        parts = row["options"].split(",")
        if len(parts) < len(_LETTERS) or row["correct"] not in tuple(_LETTERS):
            raise ValueError(
                "five options a to e must be separated by commas, and one of them be right, got "
                f"{row['options']!r} and {row['correct']!r}"
            )
        texts = [
            part[length : None if letter == "e" else -1]  # all but the last end with a space
            for part, length, letter in zip(parts, _MATH_LABEL_LENGTHS, _LETTERS, strict=False)
        ]
        number = _LETTERS.index(row["correct"])
        if texts[number]:
            yield {**row, "option_texts": texts, "answer_number": number}


def quarel_answer(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `answer_text`: the right option, which stands in the question after (A) or (B)."""
    for row in rows:
        question = row["question"]
        first, second = question.find("(A)"), question.find("(B)")
        start = (second if row["answer_index"] else first) + len("(A) ")
        text = question[start:] if row["answer_index"] else question[start:second]
        yield {**row, "answer_text": text.removesuffix("or ").strip()}


def sciq_options(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `option_texts` in a drawn order and `answer_number`; rows without support are left out.

    CrossFit shuffles the right answer and three wrong ones, row by row from one stream.
    """
    draw = np.random.RandomState(_DRAW_SEED)
    for row in rows:
        if not row["support"]:
            continue
        texts = [row[f"distractor{number}"] for number in (1, 2, 3)] + [row["correct_answer"]]
        draw.shuffle(texts)
        yield {**row, "option_texts": texts, "answer_number": texts.index(row["correct_answer"])}


def _last(items: list[Any], wanted: object) -> int:
    return len(items) - 1 - items[::-1].index(wanted)
