"""Reading YAML strictly: one mapping a file, no key twice, messages that name file and line."""

from pathlib import Path
from typing import Any

import yaml

from dpf_core.errors import GymError


class _StrictLoader(yaml.SafeLoader):
    """A safe loader for which a repeated key is an error, not a silent replacement."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_yaml_mapping(path: Path, where: str) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Args:
        path: The file.
        where: What the file is, for messages, such as `task 'reviews'`.

    Raises:
        GymError: The file cannot be read, is not YAML, repeats a key, or is not a mapping.
    """
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise GymError(
            f"{where}: {path} must be a readable YAML file, got: {reason}. Correct the file."
        ) from error
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise GymError(
            f"{where}: {path} must be a mapping whose keys are strings, got "
            f"{type(value).__name__}. Write `key: value` lines and quote keys such as "
            "'true' or '1'."
        )
    return value
