"""Frozen encoders: BERT and its kin, which read a text whole and score candidates by its vector."""

from torch import Tensor

from dpf_core.backbone.frozen import Backbone, mean_over_tokens
from dpf_core.backbone.packing import PACKED, make_packing


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
