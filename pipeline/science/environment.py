"""What shapes a result besides settings and rows: the backbone's files, libraries, processor."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch

from dpf_core.backbone.files import resolve_directory, settings_sha256, weights_sha256
from pipeline.science.settings import ScienceSettings

_FIRST_SETTINGS_SHA256 = "d9007e980271a542552cb95f38a4f77136d321dee6e3b1f75df3173229ba0ebc"
"""Of configuration and tokenizer of the bundled backbone, which the first results name by its
weights alone."""
FIRST = {"transformers": "5.23.0", "tokenizers": "0.23.3", "cpu_capability": "AVX2"}
"""Of the first results, whose keys do not hold them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """What settings do not say."""

    backbone_sha256: str
    """Of the weights; of any other backbone than the bundled one also of its other files."""
    torch: str
    transformers: str = FIRST["transformers"]
    tokenizers: str = FIRST["tokenizers"]
    cpu_capability: str = FIRST["cpu_capability"]
    """Instructions that torch uses on a CPU: others add in another order, so to other bits."""

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
            cpu_capability=_cpu_capability(settings.runtime.device),
        )

    @classmethod
    def of(cls, setup: Mapping[str, Any]) -> "Environment":
        """Return that in which something was made, from what it is recorded under.

        Raises:
            KeyError: A part is missing.
            TypeError: A part has another form.
        """
        others = {name: setup.get(name, first) for name, first in FIRST.items()}
        return cls(backbone_sha256=setup["backbone"]["sha256"], torch=setup["torch"], **others)

    @property
    def since_changed(self) -> dict[str, str]:
        """What is not as it was for the first results."""
        found = {name: getattr(self, name) for name in FIRST}
        return {name: found[name] for name in found if found[name] != FIRST[name]}


def _cpu_capability(device: str) -> str:
    """Return what torch was allowed to use; elsewhere than on a CPU it shapes nothing."""
    if device != "cpu":
        return FIRST["cpu_capability"]
    return torch.backends.cpu.get_cpu_capability()


def recorded_environment(record: Mapping[str, Any]) -> Environment:
    """Return the environment that a record names.

    Raises:
        KeyError: It names none.
        TypeError: It has another form.
    """
    return Environment(**record["environment"])


NOWHERE = Environment(backbone_sha256="", torch="")
"""Where settings are compared, whatever machine they run on."""
