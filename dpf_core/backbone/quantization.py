"""Frozen weights in 8 or 4 bits: when that is possible, and what the model library is told.

bitsandbytes does the work. Only the layers' matrices are quantised; embeddings, norms and the
vocabulary's output keep `backbone.precision`, and activations have it. Products with 4-bit weights
are computed in it, too; those with 8-bit weights in int8, and for outliers in fp16.
"""

import logging
from typing import Any

import torch

from dpf_core.config import BackboneConfig
from dpf_core.errors import ConfigError


def check_quantization(config: BackboneConfig, device: torch.device) -> None:
    """Return if the weights can be loaded as the settings ask.

    Raises:
        ConfigError: They are to be quantised on another device than a CUDA GPU, or without the
            packages that do it.
    """
    if config.quantization is None:
        return
    if device.type != "cuda":
        raise ConfigError(
            f"backbone.quantization must be null on device {str(device)!r}, got "
            f"{config.quantization!r}: bitsandbytes is used on CUDA GPUs alone here. Set "
            "runtime.device: cuda, or backbone.quantization: null in params.yaml."
        )
    if missing := [name for name, is_there in _packages().items() if not is_there]:
        raise ConfigError(
            f"backbone.quantization {config.quantization!r} needs the packages "
            f"{' and '.join(_packages())} in versions that transformers takes, got no "
            f"{' and no '.join(missing)}. Run: pip install 'dynamic-prompt-fusion[quantization]'."
        )


def check_stored_weights(settings: Any, where: str) -> None:
    """Return if a model's own config.json says nothing of quantised weights.

    Raises:
        ConfigError: Its file holds quantised weights, which nobody has asked for here.
    """
    stored = getattr(settings, "quantization_config", None)
    if stored is not None:
        raise ConfigError(
            "the backbone's file must hold weights as they were trained, got a "
            f"quantization_config ({where}). Name the model that it was made from, and set "
            "backbone.quantization: int8 or int4."
        )


def quantized_loading(
    config: BackboneConfig, device: torch.device, dtype: torch.dtype
) -> dict[str, Any]:
    """Return what `from_pretrained` is told beside its usual arguments; nothing for plain weights.

    The model is loaded where it stays, since quantised weights are not moved afterwards. 4 bits
    are those of QLoRA (arXiv 2305.14314): NF4 with quantised constants. 8 bits are LLM.int8()
    (arXiv 2208.07339), with the library's threshold for outliers.

    Args:
        config: Precision and quantisation.
        device: Where the backbone runs.
        dtype: Of activations.
    """
    if config.quantization is None:
        return {}
    from transformers import BitsAndBytesConfig

    if config.quantization == "int8":
        # Says at every product that its input is rounded to fp16.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        chosen: dict[str, Any] = {"load_in_8bit": True}
    else:
        chosen = {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": True,
            "bnb_4bit_compute_dtype": dtype,
        }
    bits = BitsAndBytesConfig(**chosen)  # type: ignore[no-untyped-call]
    return {"quantization_config": bits, "device_map": {"": device}}


def _packages() -> dict[str, bool]:
    from transformers.utils.import_utils import (
        is_accelerate_available,
        is_bitsandbytes_available,
    )

    return {
        "bitsandbytes": is_bitsandbytes_available(),
        "accelerate": is_accelerate_available(),
    }
