"""Sections of params.yaml, the one file with every number that changes a result."""

from pathlib import Path
from typing import Any

import yaml

from dpf_core.errors import ConfigError
from dpf_core.naming import nearest

PARAMS = Path("params.yaml")


def load_section(name: str, path: Path = PARAMS) -> dict[str, Any]:
    """Return one section of the parameters file.

    Raises:
        ConfigError: The file is absent or no YAML mapping, or has no such section.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"the parameters must be a readable YAML file, got {error} ({path}). Run in the "
            "project's folder, or correct the file."
        ) from error
    sections = content if isinstance(content, dict) else {}
    section = sections.get(name)
    if not isinstance(section, dict):
        raise ConfigError(
            f"{path} must have a section {name!r}, got sections {', '.join(map(str, sections))}."
            f"{nearest(name, map(str, sections))} Add it."
        )
    return section
