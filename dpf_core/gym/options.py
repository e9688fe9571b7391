"""Lettered options, as CrossFit writes them into the input: `question (A) first (B) second`.

Reading back needs no more than the text: a build counts every row whose options cannot be read
back, so that no reader meets one.
"""

import string
from collections.abc import Sequence
from itertools import islice

OPTION_STYLE = " ({letter}) {text}"
"""CrossFit's usual spelling of one option."""

_MARKS = tuple(
    [spelling.format(letter) for letter in letters]
    for spelling in (" ({}) ", "({})")
    for letters in (string.ascii_uppercase, "123456789")
)
"""The marks that options can have, the usual ones first."""
_END = " [SEP] "


def letter_options(
    options: Sequence[str],
    letters: Sequence[str] = string.ascii_uppercase,
    style: str = OPTION_STYLE,
) -> str:
    """Return the options as they stand in an input.

    Raises:
        ValueError: There are not 1 to 26 options, or fewer letters than options.

    Example:
        >>> letter_options(["yes", "no"])
        ' (A) yes (B) no'
    """
    if not 1 <= len(options) <= len(string.ascii_uppercase):
        raise ValueError(f"a question must have 1 to 26 options, got {len(options)}")
    if len(letters) < len(options):
        raise ValueError(f"each of {len(options)} options must have a letter, got {letters!r}")
    return "".join(
        style.replace("{letter}", letter).replace("{text}", option)
        for letter, option in zip(letters, options, strict=False)
    )


def parse_options(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the question and the options of an input.

    The options start at the last mark `(A)` that has a `(B)` after it, or `(1)` and `(2)`; each
    ends at the first mark of the next letter, the last one at ` [SEP] ` or at the end. What stands
    after the options belongs to the question.

    Raises:
        ValueError: There are fewer than two lettered options.

    Example:
        >>> parse_options("Is it so? (A) yes (B) no")
        ('Is it so?', ('yes', 'no'))
        >>> parse_options("Who?(A)he(B)she [SEP] She did.")
        ('Who? [SEP] She did.', ('he', 'she'))
    """
    for marks in _MARKS:
        if (start := _last_start(text, marks)) >= 0:
            return _cut(text, start, marks)
    raise ValueError(
        f"the input must have lettered options such as ' (A) yes (B) no', got {text[-80:]!r}"
    )


def reads_back(text: str, options: Sequence[str] | None) -> bool:
    """Return whether an input gives back the options, if any, that were written into it."""
    if not options:
        return True
    try:
        return parse_options(text)[1] == tuple(options)
    except ValueError:
        return False


def _last_start(text: str, marks: list[str]) -> int:
    """Return where the last first mark that has a second one after it stands, or -1."""
    second = text.rfind(marks[1])
    return text.rfind(marks[0], 0, second) if second >= 0 else -1


def _cut(text: str, start: int, marks: list[str]) -> tuple[str, tuple[str, ...]]:
    head, rest = text[:start], text[start + len(marks[0]) :]
    options = []
    for mark in islice(marks, 1, None):
        option, found, following = rest.partition(mark)
        if not found:
            break
        options.append(option)
        rest = following
    last, end, tail = rest.partition(_END)
    return head + end + tail, (*options, last)
