"""Reading YAML strictly: one mapping a file, no key twice, messages that name file and line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dpf_core.errors import GymError

_MAX_BYTES = 1 << 20
_MAX_BITS = 63
Place = tuple[str | int, ...]
"""The way from the top of a file to a value: keys, and positions in lists."""


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A mapping, and the line on which each of its values stands."""

    value: dict[str, Any]
    lines: dict[Place, int]


class YamlError(GymError):
    """A file that is no strict YAML mapping; `line` says where, if one line is to blame."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line


class _StrictLoader(yaml.SafeLoader):
    """A safe loader for which a repeated key is an error, not a silent replacement."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, ValueError) as error:
            # 2020-13-45 looks like a date, and Python has none for it.
            raise _refusal(node, f"{str(node.value)[:80]!r}, which needs quotes") from error
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise _refusal(node, "a number beyond 64 bits")  # too long to be shown in a message
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key_node, yaml.ScalarNode):
                raise _refusal(key_node, "a key that is no word")
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise _refusal(key_node, f"the key {key!r} stands twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


class _NumbersLoader(_StrictLoader):
    """A strict loader to which 5e-05, as DVC writes it, is a number; YAML 1.1 calls it a text."""


_NumbersLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


class _PlainLoader(_StrictLoader):
    """A strict loader without aliases: a few of them, nested, stand for more than memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise _refusal(self.peek_event(), "an alias; write the value out")  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)


def load_yaml_mapping(path: Path, where: str) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Args:
        path: The file.
        where: What the file is, for messages, such as `task 'reviews'`.

    Raises:
        GymError: The file cannot be read, is not YAML, repeats a key, or is not a mapping.
    """
    return _read(path, where, _NumbersLoader)[0]


def load_yaml_value(text: str) -> Any:
    """Return the value that a text stands for, as in a file of `load_yaml_mapping`.

    Raises:
        ValueError: It is no YAML.
    """
    try:
        return yaml.load(text, Loader=_NumbersLoader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def load_plain_yaml(path: Path, where: str) -> YamlFile:
    """Return the mapping in a user's YAML file, with its lines.

    Raises:
        YamlError: As `load_yaml_mapping`; or the file has an alias, or more than 1 MiB.
    """
    if path.is_file() and (size := path.stat().st_size) > _MAX_BYTES:
        raise YamlError(
            f"{where}: {path} must have at most {_MAX_BYTES:,} bytes, got {size:,}. Rows belong "
            "into a file of their own.",
            None,
        )
    value, node = _read(path, where, _PlainLoader)
    return YamlFile(value, dict(_lines(node, ())))


def _read(
    path: Path, where: str, loader_class: type[_StrictLoader]
) -> tuple[dict[str, Any], yaml.Node]:
    try:
        loader = loader_class(path.read_text(encoding="utf-8"))
        node = loader.get_single_node() or yaml.ScalarNode("tag:yaml.org,2002:null", "")
        value = loader.construct_document(node)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        mark = getattr(error, "problem_mark", None)
        raise YamlError(
            f"{where}: {path} must be a readable YAML file, got: {reason}. Correct the file.",
            mark.line + 1 if mark else None,
        ) from error
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise YamlError(
            f"{where}: {path} must be a mapping whose keys are strings, got "
            f"{type(value).__name__}. Write `key: value` lines and quote keys such as "
            "'true' or '1'.",
            1,
        )
    return value, node


def _lines(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    """Yield each place with its line; the key's line is that of its value."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _lines(value, (*place, key.value))
            yield (*place, key.value), key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            yield (*place, position), item.start_mark.line + 1
            yield from _lines(item, (*place, position))


def _refusal(place: yaml.Node | yaml.Event, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, place.start_mark)  # type: ignore[arg-type]
