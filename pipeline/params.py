"""Sections of params.yaml, the one file with every number that changes a result."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from dpf_core.config import SECTIONS
from dpf_core.config_reading import from_mapping, to_mapping
from dpf_core.errors import ConfigError, GymError
from dpf_core.gym.yaml_file import load_yaml_mapping, load_yaml_value
from dpf_core.naming import nearest

T = TypeVar("T")

PARAMS = Path("params.yaml")

_STAGE_SECTIONS = {"ingest", "validate"}
"""Sections whose dataclasses are not in `dpf_core.config`."""


def load_params(path: Path = PARAMS) -> dict[str, Any]:
    """Return every section of the parameters file.

    Raises:
        ConfigError: The file is absent, no YAML mapping, repeats a key, or has an unknown section.
    """
    try:
        content = load_yaml_mapping(path, "parameters, read from the project's folder")
    except GymError as error:
        raise ConfigError(str(error)) from error
    known = {*SECTIONS.values(), *_STAGE_SECTIONS}
    for section in content:
        if section not in known:
            raise ConfigError(
                f"sections of {path} must be {', '.join(sorted(known))}, got {section!r}."
                f"{nearest(section, known)} Remove or rename it."
            )
    return content


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


def parse_overrides(settings: Sequence[str], *classes: type) -> dict[str, dict[str, Any]]:
    """Return `section.key=value` words as section to key to value, values read as YAML.

    Args:
        settings: The words.
        classes: What the command reads, keys of `dpf_core.config.SECTIONS`.

    Raises:
        ConfigError: A word has another form or is no YAML, or names a section without effect.
    """
    overrides: dict[str, dict[str, Any]] = {}
    known = {SECTIONS[cls] for cls in classes}
    for setting in settings:
        key, equals, text = setting.partition("=")
        section, dot, name = key.partition(".")
        if not equals or not dot or not name or section not in known:
            raise ConfigError(
                f"--set must be section.key=value with a section of {', '.join(sorted(known))}, "
                f"got {setting!r}.{nearest(section, known)} For instance: "
                f"--set {example_setting(*classes)}."
            )
        overrides.setdefault(section, {})[name] = _value(text, setting)
    return overrides


def example_setting(*classes: type) -> str:
    """Return what `--set` may be followed by: a default of the last class."""
    defaults = to_mapping(classes[-1]())
    name = next(name for name in defaults if isinstance(defaults[name], str | int))
    return f"{SECTIONS[classes[-1]]}.{name}={defaults[name]}"


def _value(text: str, setting: str) -> Any:
    try:
        return load_yaml_value(text)
    except ValueError as error:  # also of a date that there is not
        raise ConfigError(
            f"the value of --set must be YAML, with numbers of 64 bits, got {setting!r}. Quote it, "
            "correct its brackets, or take a smaller number."
        ) from error


def _section(sections: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    if name not in sections:
        raise ConfigError(
            f"{path} must have a section {name!r}, got sections {', '.join(sections) or 'none'}. "
            "Add it."
        )
    section = sections[name]
    if not isinstance(section, dict):
        raise ConfigError(
            f"section {name!r} of {path} must be a mapping of settings, got {section!r}. Write "
            "indented `key: value` lines."
        )
    return section
