"""What every frozen backbone is, whatever its family, and how deeper prompts enter its layers.

Nothing here is trained, but for the copy that full fine-tuning asks for. Prompts go in through
`inputs_embeds` alone, so no prompt logic of the model library is involved. What a family adds lies
in the module that has its name.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dpf_core.backbone.families import FAMILIES, SERVED_KINDS, check_attention
from dpf_core.backbone.files import weights_sha256
from dpf_core.backbone.packing import Packing
from dpf_core.backbone.prompt_placement import prompt_values
from dpf_core.config import Attention, BackboneConfig
from dpf_core.errors import ConfigError


class Backbone(nn.Module, ABC):
    """A frozen language model that reads embeddings.

    Args:
        model: A transformers model; its parameters stop requiring gradients.
        tokenizer: Its fast tokenizer.
        directory: Where config, weights and tokenizer lie.
        config: How it was asked for.
    """

    model: Any
    """The model library's object, of which the type checker knows nothing."""

    def __init__(self, model: Any, tokenizer: Any, directory: Path, config: BackboneConfig) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(requires_grad=False)
        self.tokenizer = tokenizer
        self.directory = directory
        self.config = config
        self.sha256 = weights_sha256(directory)
        self.model_type: str = model.config.model_type
        self.family = FAMILIES[self.model_type]
        self.word_embeddings: nn.Embedding = model.get_input_embeddings()
        self._layers = _find_layers(self._prompted_stack())
        self.recomputes_layers = False
        """Keep a layer's input alone for the backward pass, which runs the layer again."""
        self._copied_from: tuple[Backbone, ...] = ()  # a tuple hides it from torch

    @property
    def repeats_input(self) -> bool:
        """Whether each candidate answer is read beside the input's states anew."""
        return self.family.kind == "encoder_decoder"

    @property
    def is_frozen(self) -> bool:
        """Whether no weight is trained."""
        return not self._copied_from

    @property
    def pretrained(self) -> "Backbone":
        """The frozen one with the weights of its files: itself, or what an unfrozen copy is of."""
        return self if self.is_frozen else self._copied_from[0]

    def unfrozen_copy(self) -> "Backbone":
        """Return a copy of the pretrained weights that is trained as a whole, without dropout.

        The meaning of label texts stays that of the pretrained weights (`embed_texts`).

        Raises:
            ConfigError: The weights are not in fp32, where small steps would be rounded away.
        """
        config = self.config
        if config.precision != "fp32" or config.quantization is not None:
            raise ConfigError(
                "backbone.precision must be fp32 and backbone.quantization null to train the "
                f"backbone's weights, got {config.precision} and {config.quantization} (backbone "
                "in params.yaml). Correct them, or choose a method that trains prompts."
            )
        source = self.pretrained
        made = type(self)(copy.deepcopy(source.model), self.tokenizer, self.directory, config)
        made.model.requires_grad_(requires_grad=True)
        made._copied_from = (source,)
        return made

    @property
    def hidden_size(self) -> int:
        """H."""
        return self.word_embeddings.embedding_dim

    @property
    def num_layers(self) -> int:
        """Layers that can get a prompt of their own; the largest D."""
        return len(self._layers)

    @property
    def max_positions(self) -> int | None:
        """Tokens that the model reads as one text, prompt included; None if any number.

        A sliding window is such a limit: beyond it `rank`, which shows each candidate all of the
        text, would differ from what the model does by itself.
        """
        if not self.family.has_position_limit:
            return None
        positions: int = self.model.config.max_position_embeddings - self._first_position()
        window: int | None = getattr(self.model.config, "sliding_window", None)
        return positions if window is None else min(positions, window)

    @property
    def served_kinds(self) -> tuple[str, ...]:
        """Kinds of tasks that it can answer."""
        return SERVED_KINDS[self.family.kind]

    @property
    def device(self) -> torch.device:
        """Where its word embeddings are; inputs go there."""
        return self.word_embeddings.weight.device

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode: there is no dropout."""
        del mode
        return super().train(mode=False)

    def reconfigure(self, *, attention: Attention, batch_tokens: int) -> None:
        """Run with another attention and size of batches from now on, on the same weights.

        Raises:
            ConfigError: The family cannot run with this attention, or the size is out of range.
        """
        config = replace(self.config, attention=attention, batch_tokens=batch_tokens)
        check_attention(config, self.family, self.model_type)
        self.model.set_attn_implementation(attention)
        self.config = config

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return word embeddings [B, S, H] of token ids [B, S]; frozen ones outside autograd."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            embedded: Tensor = self.word_embeddings(input_ids)
        return embedded

    def embedding_table(self) -> Tensor:
        """Return [V, H], what `embed` gives for each token."""
        scale: float = getattr(self.word_embeddings, "embed_scale", 1.0)
        return self.word_embeddings.weight.detach() * scale

    @abstractmethod
    def encode(
        self, inputs_embeds: Tensor, attention_mask: Tensor, layer_prompts: Tensor | None = None
    ) -> Tensor:
        """Return the last hidden states of the part of the model that reads the prompt.

        Args:
            inputs_embeds: [B, S, H], prompt included (equation 5).
            attention_mask: [B, S], 1 on prompt and real tokens; padding on either side.
            layer_prompts: [B, D-1, P, H]; layer i + 1 finds its P prompt positions replaced by
                entry i. The prompt stands directly before the first real token.

        Returns:
            [B, S, H] in float32.
        """

    @abstractmethod
    def embed_meaning(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return one vector [B, H] a text, for token ids and mask [B, S] without a prompt.

        An encoder's is the mean hidden state over the real tokens; other backbones give the mean
        word embedding, because their hidden states predict the next token and lie elsewhere.
        """

    @torch.no_grad()
    def layer_states(self, inputs_embeds: Tensor, count: int) -> Tensor:
        """Return [B, count, S, H] in float32, what each of the first layers makes of an input.

        Args:
            inputs_embeds: [B, S, H], read without padding.
            count: Of layers, from the first.
        """
        states: list[Tensor] = []

        def keep(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            hidden: Tensor = output[0] if isinstance(output, tuple) else output
            states.append(hidden.reshape(inputs_embeds.shape).float())

        handles = [layer.register_forward_hook(keep) for layer in self._layers[:count]]
        mask = torch.ones(inputs_embeds.shape[:2], dtype=torch.int64, device=self.device)
        try:
            self.encode(inputs_embeds.to(self.device), mask)
        finally:
            for handle in handles:
                handle.remove()
        return torch.stack(states, dim=1)

    def _prompted_stack(self) -> nn.Module:
        """Return the part of the model whose layers the prompt runs through."""
        model: nn.Module = self.model
        return model

    def _first_position(self) -> int:
        padding_id: int = self.model.config.pad_token_id or 0
        return self.family.positions_start_after_padding * (padding_id + 1)

    @contextmanager
    def _prompted_layers(
        self, prompts: Tensor | None, mask: Tensor, packing: Packing | None = None
    ) -> Iterator[None]:
        handles = []
        if prompts is not None:
            for layer, prompt in zip(self._layers[1:], prompts.unbind(dim=1), strict=False):
                handles.append(layer.register_forward_pre_hook(_replacer(prompt, mask, packing)))
        is_recomputed = self.recomputes_layers and torch.is_grad_enabled()
        try:
            with _recomputed(self._layers if is_recomputed else []):
                yield
        finally:
            for handle in handles:
                handle.remove()


def mean_over_tokens(hidden: Tensor, mask: Tensor) -> Tensor:
    """Return [B, H], the mean of hidden states [B, S, H] where the mask [B, S] is 1."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


@contextmanager
def _recomputed(layers: Sequence[nn.Module]) -> Iterator[None]:
    """Let layers that run within the block keep their inputs alone for the backward pass.

    The model library's own switch asks for training mode, which a backbone is never in.
    """
    run = partial(checkpoint, use_reentrant=False, preserve_rng_state=False)
    own = [vars(layer).get("forward") for layer in layers]  # where a library has put one there
    for layer in layers:
        layer.forward = partial(run, layer.forward)
    try:
        yield
    finally:
        for layer, before in zip(layers, own, strict=True):
            del layer.forward
            if before is not None:
                layer.forward = before


def _find_layers(stack: nn.Module) -> list[nn.Module]:
    expected: int = stack.config.num_hidden_layers  # type: ignore[union-attr, assignment]
    for module in stack.modules():
        if isinstance(module, nn.ModuleList) and len(module) == expected:
            return list(module)
    raise ConfigError(
        f"the backbone must keep its {expected} layers in one list, got none in "
        f"{type(stack).__name__}. Name another backbone."
    )


def _replacer(
    prompt: Tensor, mask: Tensor, packing: Packing | None
) -> Callable[..., tuple[Any, ...]]:
    """Return a pre-hook that puts [B, P, H] over the prompt positions of a layer's input.

    While a text is generated a layer is called again: with one token, whose prompt is in the cache,
    or without a cache with the whole text so far; and with every row once for each beam.
    """
    values, inside = prompt_values(prompt, mask)
    if packing is not None:
        values, inside = packing.pack(values), packing.pack(inside)

    def replace(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden = args[0]
        longer = hidden.shape[1] - values.shape[1]
        if longer < 0:
            return args
        beams = hidden.shape[0] // values.shape[0]
        there, what = (
            nn.functional.pad(part, (0, 0, 0, longer)).repeat_interleave(beams, dim=0)
            for part in (inside, values)
        )
        return (torch.where(there, what.to(hidden.dtype), hidden), *args[1:])

    return replace
