"""Loading a backbone: it is checked to be whole, frozen, and of a family that is served."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from dpf_core.backbone.decoder import Decoder
from dpf_core.backbone.encoder import Encoder
from dpf_core.backbone.encoder_decoder import EncoderDecoder
from dpf_core.backbone.families import Family, Kind, check_attention, family_of
from dpf_core.backbone.files import resolve_directory, weights_sha256
from dpf_core.backbone.frozen import Backbone
from dpf_core.backbone.packing import PACKED, packed_attention
from dpf_core.backbone.quantization import (
    check_quantization,
    check_stored_weights,
    quantized_loading,
)
from dpf_core.backbone.quiet import quiet_transformers
from dpf_core.config import BackboneConfig
from dpf_core.errors import ConfigError
from dpf_core.files import read_json

_VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt")


_CLASSES: dict[Kind, Callable[..., Backbone]] = {
    "encoder": Encoder,
    "decoder": Decoder,
    "encoder_decoder": EncoderDecoder,
}


def load_backbone(config: BackboneConfig, *, device: str = "cpu") -> Backbone:
    """Return the frozen backbone that the settings name.

    Args:
        config: Name, precision, attention, quantisation.
        device: Where it runs, as torch names devices.

    Raises:
        ConfigError: It cannot be found or read, is of no served family, wants code of its own, has
            no plain embedding table, or cannot be quantised here.
    """
    from transformers import AttentionInterface, AutoConfig, AutoTokenizer

    target = torch_device(device)
    check_quantization(config, target)
    directory = resolve_directory(config)
    _refuse_own_code(directory)
    with _readable(directory, "config.json"):
        settings = AutoConfig.from_pretrained(directory, trust_remote_code=False)
    family = family_of(settings.model_type, str(directory / "config.json"))
    check_attention(config, family, settings.model_type)
    check_stored_weights(settings, str(directory / "config.json"))
    AttentionInterface.register(PACKED, packed_attention)
    weights_sha256(directory)  # refuses a folder without safetensors
    model = _load_model(directory, config, family, target)
    if not any((directory / name).is_file() for name in _VOCABULARIES):
        raise ConfigError(
            f"a backbone must have its tokenizer, got none of {', '.join(_VOCABULARIES)} in "
            f"{directory}. Add the tokenizer that the model was trained with."
        )
    with _readable(directory, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
    return _CLASSES[family.kind](model, tokenizer, directory, config)


def torch_device(name: str) -> torch.device:
    """Return the device of a name.

    Raises:
        ConfigError: torch knows no such device, or this machine has none.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ConfigError(
            f"runtime.device must be a device that torch finds here, such as cpu or cuda, got "
            f"{name!r} ({reason}). Correct runtime.device in params.yaml."
        ) from error
    return device


def _refuse_own_code(directory: Path) -> None:
    """Refuse a backbone that comes with Python code, also where the library knows its model type.

    The library would ask on the terminal whether to run the code of an unknown type, and would load
    a known type as its own class, which need not compute what the weights were trained for.
    """
    for name in ("config.json", "tokenizer_config.json"):
        try:
            settings = read_json(directory / name)
        except (OSError, ValueError):
            continue  # what cannot be read is refused by name when it is loaded
        if isinstance(settings, dict) and settings.get("auto_map"):
            raise ConfigError(
                f"a backbone must run on the model library's own code, got auto_map "
                f"{settings['auto_map']!r} ({directory / name}), which asks for code that came "
                "with the weights; such code is never run. Name a backbone without auto_map "
                "(backbone.name in params.yaml)."
            )


def _load_model(
    directory: Path, config: BackboneConfig, family: Family, device: torch.device
) -> Any:
    import transformers

    loaders = {
        "encoder": transformers.AutoModel,
        "decoder": transformers.AutoModelForCausalLM,
        "encoder_decoder": transformers.AutoModelForSeq2SeqLM,
    }
    dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
    options = quantized_loading(config, device, dtype)
    if family.has_pooler:
        options["add_pooling_layer"] = False
    with quiet_transformers(), _readable(directory, "model.safetensors"):
        model, loading = loaders[family.kind].from_pretrained(
            directory,
            dtype=dtype,
            attn_implementation=config.attention,
            use_safetensors=True,
            output_loading_info=True,
            trust_remote_code=False,
            **options,
        )
    if loading["missing_keys"]:
        missing = ", ".join(sorted(loading["missing_keys"])[:3])
        raise ConfigError(
            "the backbone's file must hold every weight of its architecture, got none for "
            f"{missing} ({directory}). Name a complete model."
        )
    table, hidden_size = model.get_input_embeddings(), model.config.hidden_size
    if not isinstance(table, torch.nn.Embedding) or table.embedding_dim != hidden_size:
        found = getattr(table, "embedding_dim", type(table).__name__)
        raise ConfigError(
            f"the backbone's word embeddings must be a table of its hidden size {hidden_size}, got "
            f"{found} ({directory}). Name another backbone."
        )
    return model if config.quantization else model.to(device)


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
