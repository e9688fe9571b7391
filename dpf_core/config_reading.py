"""Settings filled from a mapping, as YAML or JSON give one: every key known and of its type."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from dpf_core.errors import ConfigError
from dpf_core.naming import nearest

T = TypeVar("T")


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Return the dataclass filled from a mapping that names every field and nothing else.

    Args:
        cls: A dataclass of this module's kind.
        values: Field name to value, as YAML gives them; a list becomes a tuple.
        where: The file and section, for messages.

    Raises:
        ConfigError: There is no mapping, a key is unknown or missing, or a value has the wrong type
            or range.
    """
    hints = typing.get_type_hints(cls)
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{where} must be a mapping of settings, got {values!r}. Its keys are "
            f"{', '.join(sorted(hints))}."
        )
    for key in values:
        if key not in hints:
            raise ConfigError(
                f"keys of {where} must be {', '.join(sorted(hints))}, got {key!r}."
                f"{nearest(str(key), hints)} Remove or rename it."
            )
    if missing := sorted(set(hints) - set(values)):
        raise ConfigError(
            f"{where} must name every setting, got none for {', '.join(missing)}. Add "
            f"{'it' if len(missing) == 1 else 'them'}; the defaults stand in {cls.__name__}."
        )
    return cls(
        **{key: _typed(value, hints[key], f"{key} of {where}") for key, value in values.items()}
    )


def to_mapping(config: Any) -> dict[str, Any]:
    """Return a dataclass of this module as plain JSON values."""
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in dataclasses.asdict(config).items()
    }


def _typed(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        hint = next(argument for argument in arguments if argument is not type(None))
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        if value not in arguments:
            choices = ", ".join(map(str, arguments))
            raise ConfigError(
                f"{where} must be one of {choices}, got {value!r}."
                f"{nearest(str(value), map(str, arguments))} Correct it."
            )
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_typed(item, arguments[0], where) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    wrong_type = not isinstance(hint, type) or not isinstance(value, hint)
    if wrong_type or isinstance(value, bool) != (hint is bool):
        raise ConfigError(
            f"{where} must be {getattr(hint, '__name__', hint)}, got {value!r} "
            f"({type(value).__name__}). Correct the value's type."
        )
    if hint is float and not math.isfinite(value):
        raise ConfigError(
            f"{where} must be finite, got {value}. Use a number, such as 1e6 for what never binds."
        )
    return value
