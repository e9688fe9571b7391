"""Sections of params.yaml, the one file with every number that changes a result."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from dpf_core.config import SECTIONS, from_mapping
from dpf_core.errors import ConfigError
from dpf_core.naming import nearest

T = TypeVar("T")

PARAMS = Path("params.yaml")


def load_params(path: Path = PARAMS) -> dict[str, Any]:
    """Return every section of the parameters file.

    Raises:
        ConfigError: The file is absent or no YAML mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"the parameters must be a readable YAML file, got {error} ({path}). Run in the "
            "project's folder, or correct the file."
        ) from error
    return content if isinstance(content, dict) else {}


def load_section(name: str, path: Path = PARAMS) -> dict[str, Any]:
    """Return one section of the parameters file.

    Raises:
        ConfigError: The file is absent or no YAML mapping, or has no such section.
    """
    return _section(load_params(path), name, path)


def load_config(
    cls: type[T], path: Path = PARAMS, overrides: Mapping[str, Mapping[str, Any]] | None = None
) -> T:
    """Return a dataclass of `dpf_core.config` filled from its section.

    Args:
        cls: A key of `dpf_core.config.SECTIONS`.
        path: The parameters file.
        overrides: Section to the settings that replace the file's, from a command line.

    Raises:
        ConfigError: The section is absent, or a setting is unknown, missing or out of range.
    """
    name = SECTIONS[cls]
    values = _section(load_params(path), name, path) | dict((overrides or {}).get(name, {}))
    return from_mapping(cls, values, f"{name} in {path}")


def parse_overrides(settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return `section.key=value` words as section to key to value, values read as YAML.

    Raises:
        ConfigError: A word has another form, or names an unknown section.
    """
    overrides: dict[str, dict[str, Any]] = {}
    known = set(SECTIONS.values())
    for setting in settings:
        key, equals, text = setting.partition("=")
        section, dot, name = key.partition(".")
        if not equals or not dot or not name or section not in known:
            raise ConfigError(
                f"--set must be section.key=value with a section of {', '.join(sorted(known))}, "
                f"got {setting!r}.{nearest(section, known)} For instance: --set train.max_steps=50."
            )
        overrides.setdefault(section, {})[name] = yaml.safe_load(text)
    return overrides


def _section(sections: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    section = sections.get(name)
    if not isinstance(section, dict):
        raise ConfigError(
            f"{path} must have a section {name!r}, got sections {', '.join(map(str, sections))}."
            f"{nearest(name, map(str, sections))} Add it."
        )
    return section
