"""Templates of a text, in which a specification places the fields of a row."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpf_core.errors import GymError
from dpf_core.gym.fields import CLEANINGS, Field, as_text
from dpf_core.naming import nearest


def check_cleanings(names: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Return the names if each is a cleaning.

    Raises:
        GymError: A name is not in `fields.CLEANINGS`.
    """
    for name in names:
        if name not in CLEANINGS:
            raise GymError(
                f"{where}: a cleaning must be one of {', '.join(CLEANINGS)}, got {name!r}."
                f"{nearest(name, CLEANINGS)} Correct `clean`."
            )
    return names


def cleaned(text: str, names: tuple[str, ...]) -> str:
    """Return the text after the named cleanings, in this order."""
    for name in names:
        text = CLEANINGS[name](text)
    return text


@dataclass(frozen=True, slots=True)
class Template:
    """Text with fields in braces, such as `"premise: {sentence1} [SEP] {tokens|join}"`.

    Example:
        >>> Template.parse("Q: {question|strip}", where="task 'demo'").fill({"question": "Why? "})
        'Q: Why?'
    """

    parts: tuple[tuple[str, Field | None], ...]
    """Pairs of literal text and the field that follows it."""

    @classmethod
    def parse(cls, text: str, *, where: str) -> "Template":
        """Return the template of a text; a literal brace is written twice.

        Raises:
            GymError: Braces do not match, a field has a format or conversion, or its filter is
                unknown.
        """
        try:
            found = list(string.Formatter().parse(text))
        except ValueError as error:
            raise GymError(
                f"{where}: a template must have matching braces, got {text!r} ({error}). Write "
                "{column}, and {{ or }} for a literal brace."
            ) from error
        return cls(
            tuple(
                (literal, _field(name, bool(form or conversion), text, where))
                for literal, name, form, conversion in found
            )
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the template reads, in order of first use."""
        return tuple(dict.fromkeys(field.column for _, field in self.parts if field is not None))

    def fill(self, row: Mapping[str, Any]) -> str:
        """Return the text of one row.

        Raises:
            KeyError: The row lacks a column.
            ValueError: A value is neither text nor an integer; the message lacks the place.
        """
        return "".join(
            literal if field is None else literal + as_text(field.value(row), ".".join(field.path))
            for literal, field in self.parts
        )


def _field(name: str | None, has_format: bool, text: str, where: str) -> Field | None:
    if name is None:
        return None
    if not name or has_format:
        raise GymError(
            f"{where}: a template field must be a plain column such as {{text}}, got {text!r}. "
            "Remove formats and conversions, and name the column."
        )
    return Field.parse(name, where=where)
