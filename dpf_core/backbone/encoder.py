"""Frozen encoders: BERT and its kin, which read a text whole and score candidates by its vector.

A layer whose prompt positions the next one replaces needs them as keys and values alone: in a
packed row they are dropped behind its attention, and the next layer finds its own in their place.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from dpf_core.backbone.frozen import Backbone, mean_over_tokens
from dpf_core.backbone.packing import PACKED, Packing, make_packing
from dpf_core.backbone.prompt_placement import prompt_values


class Encoder(Backbone):
    """A frozen encoder that reads embeddings and returns hidden states."""

    def encode(
        self, inputs_embeds: Tensor, attention_mask: Tensor, layer_prompts: Tensor | None = None
    ) -> Tensor:
        """Return the last hidden states [B, S, H] in float32; see `Backbone.encode`."""
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

    def embed_meaning(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return [B, H], the mean hidden state over the real tokens."""
        hidden = self.encode(self.embed(input_ids), attention_mask)
        return mean_over_tokens(hidden, attention_mask)

    @contextmanager
    def _prompted_layers(
        self, prompts: Tensor | None, mask: Tensor, packing: Packing | None = None
    ) -> Iterator[None]:
        if prompts is None or packing is None or self.recomputes_layers:
            with super()._prompted_layers(prompts, mask, packing):
                yield
            return
        _, inside = prompt_values(prompts[:, 0], mask)
        texts = (~packing.pack(inside)[0, :, 0]).nonzero().flatten()
        handles = []
        for number, prompt in enumerate(prompts.unbind(dim=1)):
            values = packing.pack(prompt_values(prompt, mask)[0])
            before: Any = self._layers[number]  # every model of the family has these names
            after = self._layers[number + 1]
            handles += [
                before.attention.output.register_forward_pre_hook(_drop_prompts(texts)),
                after.register_forward_pre_hook(_put_prompts(values, texts)),
            ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _drop_prompts(texts: Tensor) -> Callable[..., tuple[Tensor, ...]]:
    """Return a pre-hook that keeps the tokens of texts alone of all that a module is given."""

    def drop(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(part.index_select(1, texts) for part in args)

    return drop


def _put_prompts(values: Tensor, texts: Tensor) -> Callable[..., tuple[Any, ...]]:
    """Return a pre-hook that puts a layer's prompts [1, N, H] between the tokens of texts."""

    def put(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden = args[0]
        return (values.to(hidden.dtype).index_copy(1, texts, hidden), *args[1:])

    return put
