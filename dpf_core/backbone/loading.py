"""Loading a backbone: it is checked to be whole, frozen, and of a family that is served."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError

from dpf_core.backbone.encoder import ENCODER_FAMILIES, Backbone
from dpf_core.backbone.files import resolve_directory, weights_sha256
from dpf_core.backbone.packing import PACKED, packed_attention
from dpf_core.config import BackboneConfig
from dpf_core.errors import ConfigError

_VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt")


def load_backbone(config: BackboneConfig) -> Backbone:
    """Return the frozen backbone that the settings name.

    Raises:
        ConfigError: It cannot be found or read, is no served encoder, or has no plain embedding
            table.
    """
    from transformers import AttentionInterface, AutoConfig, AutoModel, AutoTokenizer

    directory = resolve_directory(config)
    with _readable(directory, "config.json"):
        settings = AutoConfig.from_pretrained(directory)
    if settings.model_type not in ENCODER_FAMILIES:
        raise ConfigError(
            f"the backbone's family must be one of {', '.join(ENCODER_FAMILIES)}, got "
            f"{settings.model_type!r} ({directory / 'config.json'}). Name an encoder of these."
        )
    AttentionInterface.register(PACKED, packed_attention)
    dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
    options = {} if settings.model_type == "electra" else {"add_pooling_layer": False}
    weights_sha256(directory)  # refuses a folder without safetensors
    with _quiet_transformers(), _readable(directory, "model.safetensors"):
        model, loading = AutoModel.from_pretrained(
            directory,
            dtype=dtype,
            attn_implementation=config.attention,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    if loading["missing_keys"]:
        missing = ", ".join(sorted(loading["missing_keys"])[:3])
        raise ConfigError(
            "the backbone's file must hold every weight of its architecture, got none for "
            f"{missing} ({directory}). Name a complete model."
        )
    if model.get_input_embeddings().embedding_dim != settings.hidden_size:
        raise ConfigError(
            f"the backbone's word embeddings must have its hidden size {settings.hidden_size}, got "
            f"{model.get_input_embeddings().embedding_dim} ({directory}). Name another backbone."
        )
    if not any((directory / name).is_file() for name in _VOCABULARIES):
        raise ConfigError(
            f"a backbone must have its tokenizer, got none of {', '.join(_VOCABULARIES)} in "
            f"{directory}. Add the tokenizer that the model was trained with."
        )
    with _readable(directory, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(directory)
    return Backbone(model, tokenizer, directory, config)


@contextmanager
def _readable(directory: Path, part: str) -> Iterator[None]:
    """Say in one sentence which part of a backbone the library refuses."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"the backbone's {part} must be whole and fit its architecture, got "
            f"{type(error).__name__}: {reason} ({directory}). Restore the folder, or name another "
            "backbone (backbone.name in params.yaml)."
        ) from error


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Silence the library's loading report; what it would warn of is checked by the caller."""
    from transformers.utils import logging

    verbosity, has_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bar:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
