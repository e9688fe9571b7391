"""The frozen backbone: where it is found, how it is loaded, and how a prompt enters it.

Nothing here is trained. The forward pass goes through `inputs_embeds` alone, so no cache or
prompt logic of the model library is involved.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from dpf_core.backbone_files import resolve_directory, weights_sha256
from dpf_core.config import BackboneConfig
from dpf_core.errors import ConfigError
from dpf_core.packing import PACKED, Packing, make_packing, packed_attention
from dpf_core.prompt_placement import prompt_values

ENCODER_FAMILIES = {"bert": 0, "electra": 0, "roberta": 1, "xlm-roberta": 1}
"""Served model types, and whether positions start after the padding id (1) or at 0."""

_VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt")


class Backbone(nn.Module):
    """A frozen encoder that reads embeddings and returns hidden states.

    Args:
        model: A transformers encoder; its parameters stop requiring gradients.
        tokenizer: Its fast tokenizer.
        directory: Where config, weights and tokenizer lie.
        config: How it was asked for.
    """

    def __init__(
        self, model: nn.Module, tokenizer: Any, directory: Path, config: BackboneConfig
    ) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(requires_grad=False)
        self.tokenizer = tokenizer
        self.directory = directory
        self.config = config
        self.sha256 = weights_sha256(directory)
        self.model_type: str = model.config.model_type  # type: ignore[union-attr, assignment]
        self.word_embeddings: nn.Embedding = model.get_input_embeddings()  # type: ignore[operator]
        self._layers = _find_layers(model)

    @property
    def hidden_size(self) -> int:
        """H."""
        return self.word_embeddings.embedding_dim

    @property
    def num_layers(self) -> int:
        """Layers that can get a prompt of their own; the largest D."""
        return len(self._layers)

    @property
    def max_positions(self) -> int:
        """Tokens that the position table can hold, prompt included."""
        table: int = self.model.config.max_position_embeddings  # type: ignore[union-attr, assignment]
        return table - self._first_position()

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode: a frozen backbone has no dropout."""
        del mode
        return super().train(mode=False)

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return word embeddings [B, S, H] of token ids [B, S], outside autograd."""
        with torch.no_grad():
            embedded: Tensor = self.word_embeddings(input_ids)
        return embedded

    def encode(
        self, inputs_embeds: Tensor, attention_mask: Tensor, layer_prompts: Tensor | None = None
    ) -> Tensor:
        """Return the last hidden states.

        Args:
            inputs_embeds: [B, S, H], prompt included (equation 5).
            attention_mask: [B, S], 1 on prompt and real tokens; padding on either side.
            layer_prompts: [B, D-1, P, H]; layer i + 1 finds its P prompt positions replaced by
                entry i. The prompt stands directly before the first real token.

        Returns:
            [B, S, H] in float32.
        """
        positions = self._first_position() + (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
        packing = make_packing(attention_mask) if self.config.attention == PACKED else None
        inputs_embeds = inputs_embeds.to(self.word_embeddings.weight.dtype)
        with self._prompted_layers(layer_prompts, attention_mask, packing):
            if packing is None:
                output = self.model(
                    inputs_embeds=inputs_embeds,
                    attention_mask=attention_mask,
                    position_ids=positions,
                )
            else:
                output = self.model(
                    inputs_embeds=packing.pack(inputs_embeds),
                    position_ids=packing.pack(positions),
                    packing=packing,
                )
        hidden: Tensor = output.last_hidden_state
        return (hidden if packing is None else packing.unpack(hidden)).float()

    def _first_position(self) -> int:
        padding_id: int = self.model.config.pad_token_id or 0  # type: ignore[union-attr, assignment]
        return ENCODER_FAMILIES[self.model_type] * (padding_id + 1)

    @contextmanager
    def _prompted_layers(
        self, prompts: Tensor | None, mask: Tensor, packing: Packing | None
    ) -> Iterator[None]:
        handles = []
        if prompts is not None:
            for layer, prompt in zip(self._layers[1:], prompts.unbind(dim=1), strict=False):
                handles.append(layer.register_forward_pre_hook(_replacer(prompt, mask, packing)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


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


def _find_layers(model: nn.Module) -> list[nn.Module]:
    expected: int = model.config.num_hidden_layers  # type: ignore[union-attr, assignment]
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == expected:
            return list(module)
    raise ConfigError(
        f"the backbone must keep its {expected} layers in one list, got none in "
        f"{type(model).__name__}. Name another backbone."
    )


def _replacer(
    prompt: Tensor, mask: Tensor, packing: Packing | None
) -> Callable[..., tuple[Any, ...]]:
    """Return a pre-hook that puts [B, P, H] over the prompt positions of a layer's input."""
    values, inside = prompt_values(prompt, mask)
    if packing is not None:
        values, inside = packing.pack(values), packing.pack(inside)

    def replace(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden = args[0]
        return (torch.where(inside, values.to(hidden.dtype), hidden), *args[1:])

    return replace
