"""What decoders and encoder-decoders have in common: they rank candidates, and write text."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dpf_core.backbone.answers import Answers
from dpf_core.backbone.frozen import Backbone, mean_over_tokens
from dpf_core.backbone.generation import Generation, neutral_generation_config
from dpf_core.config import BackboneConfig


class LanguageModel(Backbone):
    """A frozen language model with a vocabulary to write in."""

    def __init__(self, model: Any, tokenizer: Any, directory: Path, config: BackboneConfig) -> None:
        super().__init__(model, tokenizer, directory, config)
        # A model's own defaults, such as BART's four beams, would otherwise join every request.
        self.model.generation_config = neutral_generation_config(self.model, tokenizer)

    @abstractmethod
    def rank(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        layer_prompts: Tensor | None,
        answers: Answers,
    ) -> Tensor:
        """Return the length-normalised log-likelihood of each candidate answer.

        The text before the answers is run once, however many candidates follow it.

        Args:
            inputs_embeds: [B, S, H], prompt included (equation 5).
            attention_mask: [B, S], 1 on prompt and real tokens; padding on either side.
            layer_prompts: [B, D-1, P, H], see `encode`.
            answers: Of each example.

        Returns:
            [B, O] float32, `-inf` where an example has no such candidate.
        """

    @abstractmethod
    def generate(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        layer_prompts: Tensor | None,
        generation: Generation,
    ) -> Tensor:
        """Return token ids [B, L] that continue the input, without it; padded after their end.

        Args:
            inputs_embeds: [B, S, H], prompt included (equation 5).
            attention_mask: [B, S], 1 on prompt and real tokens; padding on either side.
            layer_prompts: [B, D-1, P, H], see `encode`.
            generation: How tokens are chosen.
        """

    @abstractmethod
    def answer_ids(self, text: str, *, is_closed: bool) -> list[int]:
        """Return the token ids of an answer as it follows an input.

        Args:
            text: The answer.
            is_closed: Whether the token that ends a text follows, as free text needs it.
        """

    def embed_meaning(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return [B, H], the mean word embedding over the real tokens."""
        return mean_over_tokens(self.embed(input_ids).float(), attention_mask)

    def decode(self, token_ids: Tensor) -> list[str]:
        """Return the text of each row of ids [B, L], without special tokens and outer blanks."""
        texts = self.tokenizer.batch_decode(token_ids, skip_special_tokens=True)
        return [text.strip() for text in texts]


def last_real_token(attention_mask: Tensor) -> Tensor:
    """Return the place of the last 1 in each row of a mask [B, S], as [B] int64."""
    places = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    return (attention_mask.bool() * places).argmax(dim=1)
