"""What a row's answer says: a label, an option of the row, or the accepted texts."""

import string
from collections.abc import Callable, Sequence
from typing import Any

from dpf_core.gym.fields import as_text
from dpf_core.naming import nearest


def label_of(value: object, labels: Sequence[str], first: int) -> str:
    """Return the label of a number counted from `first`, of a boolean as 0 or 1, or of its text.

    Raises:
        ValueError: The value names no label.
    """
    if isinstance(value, int) and 0 <= value - first < len(labels):
        return labels[value - first]
    if isinstance(value, str) and value in labels:
        return value
    raise _refusal("label", value, labels, f"its number from {first}")


def option_of(
    value: object, options: Sequence[str], letters: Sequence[str], *, first: int, form: str | None
) -> str:
    """Return the option that an answer names.

    Args:
        value: The answer.
        options: The row's options.
        letters: Their letters.
        first: The number of the first option.
        form: One of `terms.ANSWER_FORMS`; None takes the first that fits: a number, then of a text
            an option, a letter and digits.

    Raises:
        ValueError: The value names no option.
    """
    forms = _BY_FORM if form is None else {form: _BY_FORM[form]}
    for find in forms.values():
        place = find(value, options, letters, first)
        if place is not None and 0 <= place < len(options):
            return options[place]
    names = "its number, letter or text" if form is None else f"its {form}"
    raise _refusal("option", value, options, f"{names}, numbers from {first}")


def accepted_texts(value: object, order: str | None) -> tuple[str, ...]:
    """Return the accepted answers of free text, the reference first.

    Args:
        value: A text, a number or a list of them.
        order: `sorted` or `first_seen` removes doubles; None keeps all.

    Raises:
        ValueError: The value is of another type.
    """
    items: list[Any] = value if isinstance(value, list) else [value]
    texts = [as_text(item, "answer") for item in items]
    if order == "sorted":
        return tuple(sorted(set(texts)))
    return tuple(dict.fromkeys(texts)) if order == "first_seen" else tuple(texts)


def _by_number(
    value: object, options: Sequence[str], letters: Sequence[str], first: int
) -> int | None:
    return value - first if isinstance(value, int) else None


def _by_text(
    value: object, options: Sequence[str], letters: Sequence[str], first: int
) -> int | None:
    return options.index(value) if isinstance(value, str) and value in options else None


def _by_letter(
    value: object, options: Sequence[str], letters: Sequence[str], first: int
) -> int | None:
    known = list(letters)
    return known.index(value) if isinstance(value, str) and value in known else None


def _by_digits(
    value: object, options: Sequence[str], letters: Sequence[str], first: int
) -> int | None:
    digits = isinstance(value, str) and set(value) <= set(string.digits) and value != ""
    return int(str(value)) - first if digits else None


_Find = Callable[[object, Sequence[str], Sequence[str], int], int | None]
_BY_FORM: dict[str, _Find] = {
    "number": _by_number,
    "text": _by_text,
    "letter": _by_letter,
    "digits": _by_digits,
}


def _refusal(what: str, value: object, choices: Sequence[str], others: str) -> ValueError:
    hint = nearest(value, choices) if isinstance(value, str) else ""
    return ValueError(
        f"the {what} must be one of {', '.join(map(repr, choices))} or {others}, got "
        f"{value!r}.{hint}".rstrip(".")
    )
