"""The frozen encoder, and how a prompt enters it.

Nothing here is trained. The forward pass goes through `inputs_embeds` alone, so no cache or
prompt logic of the model library is involved.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dpf_core.backbone.files import weights_sha256
from dpf_core.backbone.packing import PACKED, Packing, make_packing
from dpf_core.backbone.prompt_placement import prompt_values
from dpf_core.config import BackboneConfig
from dpf_core.errors import ConfigError

ENCODER_FAMILIES = {"bert": 0, "electra": 0, "roberta": 1, "xlm-roberta": 1}
"""Served model types, and whether positions start after the padding id (1) or at 0."""


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
