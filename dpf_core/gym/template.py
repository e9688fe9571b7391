"""Input templates and named text cleanings, the two ways in which a specification shapes text."""

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dpf_core.errors import GymError
from dpf_core.naming import nearest


def _one_line(text: str) -> str:
    r"""Blank out breaks and tabs, an escaped "\n" too, then keep single spaces only."""
    return " ".join(text.replace("\\n", " ").split())


CLEANINGS: Mapping[str, Callable[[str], str]] = {
    "strip": str.strip,
    "newlines_to_spaces": lambda text: text.replace("\n", " "),
    "breaks_to_spaces": lambda text: text.translate(str.maketrans("\n\r\t", "   ")),
    "one_line": _one_line,
}
"""Every cleaning that a specification can name; several are applied in the order named."""


def check_cleanings(names: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Return the names if each is a cleaning.

    Raises:
        GymError: A name is not in `CLEANINGS`.
    """
    for name in names:
        if name not in CLEANINGS:
            raise GymError(
                f"{where}: a cleaning must be one of {', '.join(CLEANINGS)}, got {name!r}."
                f"{nearest(name, CLEANINGS)} Correct `clean`."
            )
    return names


@dataclass(frozen=True, slots=True)
class Template:
    """Text with `{column}` fields, such as `"premise: {sentence1} [SEP] {sentence2}"`.

    Example:
        >>> Template.parse("Q: {question}", where="task 'demo'").fill({"question": "Why?"})
        'Q: Why?'
    """

    parts: tuple[tuple[str, str | None], ...]
    """Pairs of literal text and the column that follows it."""

    @classmethod
    def parse(cls, text: str, *, where: str) -> "Template":
        """Return the template of a text; a literal brace is written twice.

        Raises:
            GymError: Braces do not match, or a field has a format or conversion.
        """
        try:
            fields = list(string.Formatter().parse(text))
        except ValueError as error:
            raise GymError(
                f"{where}: an input template must have matching braces, got {text!r} ({error}). "
                "Write {column}, and {{ or }} for a literal brace."
            ) from error
        for _, column, form, conversion in fields:
            if column is not None and (not column or form or conversion):
                raise GymError(
                    f"{where}: a template field must be a plain column such as {{text}}, got "
                    f"{text!r}. Remove formats and conversions, and name the column."
                )
        return cls(tuple((literal, column) for literal, column, _, _ in fields))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the template reads, in order of first use."""
        return tuple(dict.fromkeys(column for _, column in self.parts if column is not None))

    def fill(self, row: Mapping[str, Any]) -> str:
        """Return the text of one row.

        Raises:
            ValueError: A value is neither text nor an integer; the message lacks the place.
        """
        return "".join(
            literal + (as_text(row[column], column) if column is not None else "")
            for literal, column in self.parts
        )


def as_text(value: object, column: str) -> str:
    """Return a cell as text; only text and integers have one spelling.

    Raises:
        ValueError: The cell is empty or of another type.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"column {column!r} must hold text, got {value!r}")
