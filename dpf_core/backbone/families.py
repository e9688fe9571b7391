"""Which model types are served, and the facts about each that the model library does not say."""

from dataclasses import dataclass
from typing import Literal

from dpf_core.config import Attention, BackboneConfig
from dpf_core.errors import ConfigError
from dpf_core.naming import nearest

Kind = Literal["encoder", "decoder", "encoder_decoder"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """What is particular to one model type."""

    kind: Kind
    has_pooler: bool = False
    """The library's class adds a layer over the hidden states that we would not use."""
    positions_start_after_padding: bool = False
    """Position ids start after the padding token's id, not at 0; so the table is that much less."""
    has_position_limit: bool = True
    """False where positions are relative and a text may be of any length."""


FAMILIES: dict[str, Family] = {
    "bert": Family(kind="encoder", has_pooler=True),
    "electra": Family(kind="encoder"),
    "roberta": Family(kind="encoder", has_pooler=True, positions_start_after_padding=True),
    "xlm-roberta": Family(kind="encoder", has_pooler=True, positions_start_after_padding=True),
    "gpt2": Family(kind="decoder"),
    "llama": Family(kind="decoder"),
    "mistral": Family(kind="decoder"),
    "qwen2": Family(kind="decoder"),
    "qwen3": Family(kind="decoder"),
    "bart": Family(kind="encoder_decoder"),
    "t5": Family(kind="encoder_decoder", has_position_limit=False),
}
"""By the `model_type` of a backbone's config.json."""

SERVED_KINDS: dict[Kind, tuple[str, ...]] = {
    "encoder": ("classification", "multiple_choice"),
    "decoder": ("classification", "multiple_choice", "text"),
    "encoder_decoder": ("classification", "multiple_choice", "text"),
}
"""Kinds of tasks that a backbone can answer: an encoder scores candidates and writes no text."""


def family_of(model_type: str, where: str) -> Family:
    """Return the family of a model type.

    Raises:
        ConfigError: It is not served.
    """
    if model_type not in FAMILIES:
        raise ConfigError(
            f"the backbone's family must be one of {', '.join(FAMILIES)}, got {model_type!r} "
            f"({where}).{nearest(model_type, FAMILIES)} Name a backbone of these families."
        )
    return FAMILIES[model_type]


def is_attention_served(attention: Attention, family: Family) -> bool:
    """Return whether the family can run with an attention; packing joins texts, as encoders may."""
    return attention != "packed" or family.kind == "encoder"


def check_attention(config: BackboneConfig, family: Family, model_type: str) -> None:
    """Return if the family can run with the attention that the settings name.

    Raises:
        ConfigError: It cannot.
    """
    if not is_attention_served(config.attention, family):
        raise ConfigError(
            f"backbone.attention must be eager or sdpa for a backbone of type {model_type!r}, got "
            "'packed', which joins the texts of a batch and serves encoders alone. Set "
            "backbone.attention: sdpa in params.yaml."
        )
