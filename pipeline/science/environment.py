"""What shapes a result besides settings and rows: files of the backbone, and libraries."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from dpf_core.backbone.files import resolve_directory, settings_sha256, weights_sha256
from pipeline.science.settings import ScienceSettings

_FIRST_SETTINGS_SHA256 = "d9007e980271a542552cb95f38a4f77136d321dee6e3b1f75df3173229ba0ebc"
"""Of configuration and tokenizer of the bundled backbone, which the first results name by its
weights alone."""
FIRST_VERSIONS = {"transformers": "5.23.0", "tokenizers": "0.23.3"}
"""Of the first results, whose keys do not hold them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """What settings do not say."""

    backbone_sha256: str
    """Of the weights; of any other backbone than the bundled one also of its other files."""
    torch: str
    transformers: str = FIRST_VERSIONS["transformers"]
    tokenizers: str = FIRST_VERSIONS["tokenizers"]

    @classmethod
    def here(cls, settings: ScienceSettings) -> "Environment":
        """Return that of this process.

        Raises:
            ConfigError: The backbone is not there.
        """
        directory = resolve_directory(settings.backbone)
        sha256, others = weights_sha256(directory), settings_sha256(directory)
        if others != _FIRST_SETTINGS_SHA256:
            sha256 = hashlib.sha256(f"{sha256} {others}".encode()).hexdigest()
        return cls(
            backbone_sha256=sha256,
            torch=version("torch"),
            transformers=version("transformers"),
            tokenizers=version("tokenizers"),
        )

    @classmethod
    def of(cls, setup: Mapping[str, Any]) -> "Environment":
        """Return that in which something was made, from what it is recorded under.

        Raises:
            KeyError: A part is missing.
            TypeError: A part has another form.
        """
        versions = {name: setup.get(name, first) for name, first in FIRST_VERSIONS.items()}
        return cls(backbone_sha256=setup["backbone"]["sha256"], torch=setup["torch"], **versions)

    @property
    def versions(self) -> dict[str, str]:
        """The libraries that are not those of the first results."""
        found = {name: getattr(self, name) for name in FIRST_VERSIONS}
        return {name: found[name] for name in found if found[name] != FIRST_VERSIONS[name]}


def recorded_environment(record: Mapping[str, Any]) -> Environment:
    """Return the environment that a record names.

    Raises:
        KeyError: It names none.
        TypeError: It has another form.
    """
    return Environment(**record["environment"])


NOWHERE = Environment(backbone_sha256="", torch="")
"""Where settings are compared, whatever machine they run on."""
