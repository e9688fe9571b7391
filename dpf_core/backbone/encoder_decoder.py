"""Frozen encoder-decoders: T5 and BART. The encoder reads the prompt, the decoder answers."""

from typing import Any

import torch
from torch import Tensor, nn

from dpf_core.backbone.alignment import aligned, put_back
from dpf_core.backbone.answers import Answers, mean_log_likelihood
from dpf_core.backbone.generation import Generation, seeded
from dpf_core.backbone.language_model import LanguageModel


class EncoderDecoder(LanguageModel):
    """A frozen encoder-decoder; the prompt stands before the encoder's input alone."""

    def encode(
        self, inputs_embeds: Tensor, attention_mask: Tensor, layer_prompts: Tensor | None = None
    ) -> Tensor:
        """Return the encoder's last hidden states [B, S, H] in float32; see `Backbone.encode`."""
        # BART's positions count places, so a text must start at the first one.
        embeds, mask, source = aligned(
            inputs_embeds.to(self.word_embeddings.weight.dtype), attention_mask, side="right"
        )
        with self._prompted_layers(layer_prompts, mask):
            output = self._prompted_stack()(inputs_embeds=embeds, attention_mask=mask)
        return put_back(output.last_hidden_state, source).float()

    def next_token_logits(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        decoder_input_ids: Tensor,
        layer_prompts: Tensor | None = None,
    ) -> Tensor:
        """Return the logits [B, L, V] after each of the decoder's tokens [B, L].

        The other arguments are those of `encode`.
        """
        hidden = self.encode(inputs_embeds, attention_mask, layer_prompts)
        return self._decode(hidden, attention_mask, decoder_input_ids)

    def rank(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        layer_prompts: Tensor | None,
        answers: Answers,
    ) -> Tensor:
        """Return [B, O], see `LanguageModel.rank`; the encoder runs once an example."""
        hidden = self.encode(inputs_embeds, attention_mask, layer_prompts)
        exists = answers.mask.any(dim=-1)  # [B, O]
        owner = exists.nonzero()[:, 0]
        token_ids, mask = answers.token_ids[exists], answers.mask[exists]  # [R, L]
        start = torch.full_like(token_ids[:, :1], self.model.config.decoder_start_token_id)
        shifted = torch.cat([start, token_ids[:, :-1]], dim=1)
        logits = self._decode(hidden[owner], attention_mask[owner], shifted)
        return mean_log_likelihood(logits[mask], answers)

    def generate(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        layer_prompts: Tensor | None,
        generation: Generation,
    ) -> Tensor:
        """Return token ids [B, L], see `LanguageModel.generate`."""
        with torch.no_grad(), seeded(generation.seed, self.device):
            hidden = self.encode(inputs_embeds, attention_mask, layer_prompts)
            written: Tensor = self.model.generate(
                encoder_outputs=self._encoded(hidden),
                attention_mask=attention_mask,
                **generation.arguments(),
            )
        return written[:, 1:]  # without the token that starts every answer

    def answer_ids(self, text: str, *, is_closed: bool) -> list[int]:
        """Return the token ids of an answer; the tokeniser closes every text, also a candidate."""
        del is_closed
        ids: list[int] = self.tokenizer(text_target=text)["input_ids"]
        return ids

    def _prompted_stack(self) -> nn.Module:
        encoder: nn.Module = self.model.get_encoder()
        return encoder

    def _decode(self, hidden: Tensor, attention_mask: Tensor, token_ids: Tensor) -> Tensor:
        logits: Tensor = self.model(
            encoder_outputs=self._encoded(hidden),
            attention_mask=attention_mask,
            decoder_input_ids=token_ids,
            use_cache=False,
        ).logits
        return logits

    def _encoded(self, hidden: Tensor) -> Any:
        from transformers.modeling_outputs import BaseModelOutput

        states: Any = hidden.to(self.word_embeddings.weight.dtype)
        return BaseModelOutput(last_hidden_state=states)
