"""Lettered options, as CrossFit writes them into the input: `question (A) first (B) second`."""

import string
from collections.abc import Sequence


def letter_options(options: Sequence[str]) -> str:
    """Return the text that follows a question.

    Example:
        >>> letter_options(["yes", "no"])
        ' (A) yes (B) no'
    """
    if not 2 <= len(options) <= len(string.ascii_uppercase):
        raise ValueError(f"a question must have 2 to 26 options, got {len(options)}")
    return "".join(
        f" ({letter}) {option}"
        for letter, option in zip(string.ascii_uppercase, options, strict=False)
    )


def parse_options(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the question and the options of an input.

    The question ends at the last ` (A) `; each option ends at the first mark of the next letter.

    Raises:
        ValueError: There are fewer than two lettered options.

    Example:
        >>> parse_options("Is it so? (A) yes (B) no")
        ('Is it so?', ('yes', 'no'))
    """
    question, mark, rest = text.rpartition(" (A) ")
    options = []
    for letter in string.ascii_uppercase[1:]:
        option, following, rest = rest.partition(f" ({letter}) ")
        options.append(option)
        if not following:
            break
    else:
        options.append(rest)
    if not mark or len(options) < 2:
        raise ValueError(
            "the input must end with lettered options such as ' (A) yes (B) no', got "
            f"{text[-80:]!r}"
        )
    return question, tuple(options)
