"""Fields of a row: a path into its columns, and named filters that shape what stands there.

`{choices.text.0|strip}` is the first of the list `text` in the struct `choices`, stripped. What a
specification may name here is the whole list: nothing else is computed in a template.
"""

import re
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
    "strip_apostrophes": lambda text: text.strip("'"),
    "newlines_to_spaces": lambda text: text.replace("\n", " "),
    "newlines_to_marks": lambda text: text.replace("\n", " [n] "),
    "escaped_newlines_to_spaces": lambda text: text.replace("\\n", " "),
    "breaks_to_spaces": lambda text: text.translate(str.maketrans("\n\r\t", "   ")),
    "one_line": _one_line,
    "single_spaces": lambda text: " ".join(text.split()),
    "letters_without_brackets": lambda text: re.sub(r"\(([A-Z])\)", r"\1", text),
    "remove_spaces": lambda text: text.replace(" ", ""),
    "lower": str.lower,
    "without_intermediate_heading": lambda text: text.removeprefix("Intermediate  "),
    "mask_in_brackets": lambda text: text.replace("<mask>", "[MASK]"),
}
"""Every cleaning of a text that a specification can name; several are applied in the order named.
Of a list of texts, each is cleaned."""


def _number(value: object) -> int:
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal():
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int):
        return int(value)
    raise ValueError(f"a number must be whole, got {value!r}")


def _joiner(separator: str) -> Callable[[object], str]:
    def join(value: object) -> str:
        return separator.join(as_text(item, "each item") for item in _as_list(value))

    return join


def _flat(value: object) -> list[Any]:
    if isinstance(value, list):
        return [leaf for item in value for leaf in _flat(item)]
    return [value]


def _only(value: object) -> Any:
    items = _as_list(value)
    if not items or any(item != items[0] for item in items):
        raise ValueError(f"a list must hold one value, any number of times, got {value!r}")
    return items[0]


CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "join": _joiner(" "),
    "join_comma": _joiner(", "),
    "join_sep": _joiner(" [SEP] "),
    "flatten": _flat,
    "non_empty": lambda value: [item for item in _as_list(value) if item],
    "only": _only,
    "number": _number,
}
"""Every change of a value's type that a specification can name: lists to one text with a separator,
lists in lists to one list, a list without its empty items, a list of equal items to one of them,
and digits or 3.0 to a whole number."""

FILTERS = (*CLEANINGS, *CONVERSIONS)


@dataclass(frozen=True, slots=True)
class Field:
    """A path and its filters.

    Example:
        >>> row = {"choices": {"text": [" a", "b "]}}
        >>> Field.parse("choices.text|strip|join", where="task 'demo'").value(row)
        'a b'
    """

    path: tuple[str, ...]
    filters: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, *, where: str) -> "Field":
        """Return the field written as `path|filter|filter`.

        Raises:
            GymError: The path has an empty part, or a filter is unknown.
        """
        path, *filters = text.split("|")
        parts = tuple(path.split("."))
        if not all(parts):
            raise GymError(
                f"{where}: a field must be a column such as text, or a path such as choices.text, "
                f"got {text!r}. Name the column."
            )
        return cls(parts, check_filters(tuple(filters), where))

    @property
    def column(self) -> str:
        """The source's column in which the path starts."""
        return self.path[0]

    def value(self, row: Mapping[str, Any]) -> Any:
        """Return what stands at the path, filtered.

        Raises:
            KeyError: The row lacks the column.
            ValueError: The path or a filter does not fit the value; the message lacks the place.
        """
        value = row[self.column]
        for part in self.path[1:]:
            value = _step(value, part, ".".join(self.path))
        for name in self.filters:
            value = _apply(name, value, ".".join(self.path))
        return value


def check_filters(names: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Return the names if each is a filter.

    Raises:
        GymError: A name is not in `FILTERS`.
    """
    for name in names:
        if name not in FILTERS:
            raise GymError(
                f"{where}: a filter must be one of {', '.join(FILTERS)}, got {name!r}."
                f"{nearest(name, FILTERS)} Correct it."
            )
    return names


def as_text(value: object, name: str) -> str:
    """Return a cell as text; only text and integers have one spelling.

    Raises:
        ValueError: The cell is empty or of another type.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"column {name!r} must hold text, got {value!r}")


def _as_list(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ValueError(f"a list must stand here, got {value!r}")


def _step(value: object, part: str, path: str) -> Any:
    if isinstance(value, Mapping) and part in value:
        return value[part]
    if isinstance(value, list):
        if not part.isdecimal():
            return [_step(item, part, path) for item in value]
        if int(part) < len(value):
            return value[int(part)]
    raise ValueError(f"the path {path!r} must lead to a value, got {value!r} before {part!r}")


def _apply(name: str, value: Any, path: str) -> Any:
    if name in CONVERSIONS:
        return CONVERSIONS[name](value)
    if isinstance(value, list):
        return [CLEANINGS[name](as_text(item, path)) for item in value]
    return CLEANINGS[name](as_text(value, path))
