"""Frozen decoders: GPT-2, Llama, Mistral, Qwen, which continue the text that they have read."""

import torch
from torch import Tensor

from dpf_core.backbone.alignment import aligned
from dpf_core.backbone.answers import Answers, mean_log_likelihood
from dpf_core.backbone.generation import Generation, seeded, whole_text_each_step
from dpf_core.backbone.language_model import LanguageModel, last_real_token
from dpf_core.errors import ConfigError

_ANCHOR = "a"
"""A word that an answer is tokenised after, since many tokenisers mark a blank before a word."""


class Decoder(LanguageModel):
    """A frozen decoder. Positions count real tokens, so padding on either side changes nothing."""

    def encode(
        self, inputs_embeds: Tensor, attention_mask: Tensor, layer_prompts: Tensor | None = None
    ) -> Tensor:
        """Return the last hidden states [B, S, H] in float32; see `Backbone.encode`."""
        with self._prompted_layers(layer_prompts, attention_mask):
            output = self.model.base_model(
                inputs_embeds=inputs_embeds.to(self.word_embeddings.weight.dtype),
                attention_mask=attention_mask,
                position_ids=_positions(attention_mask),
                use_cache=False,
            )
        hidden: Tensor = output.last_hidden_state
        return hidden.float()

    def next_token_logits(
        self, inputs_embeds: Tensor, attention_mask: Tensor, layer_prompts: Tensor | None = None
    ) -> Tensor:
        """Return the logits [B, S, V] of the token after each place; arguments as of `encode`."""
        hidden = self.encode(inputs_embeds, attention_mask, layer_prompts)
        return self._write(hidden)

    def rank(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        layer_prompts: Tensor | None,
        answers: Answers,
    ) -> Tensor:
        """Return [B, O], see `LanguageModel.rank`.

        All candidates follow the text in one row. Each sees the text and itself, not the others,
        and its positions go on where the text ended.
        """
        batch, width = attention_mask.shape
        flat = answers.mask.flatten(1)  # [B, O * L]
        embeds = torch.cat(
            [inputs_embeds.to(self.word_embeddings.weight.dtype),
             self.embed(answers.token_ids.flatten(1))],
            dim=1,
        )  # fmt: skip
        inside = torch.cat([attention_mask, attention_mask.new_zeros(flat.shape)], dim=1)
        ends = attention_mask.sum(dim=1, keepdim=True)
        step = torch.arange(answers.mask.shape[2], device=flat.device)
        positions = torch.cat(
            [_positions(attention_mask), ends + step.repeat(answers.mask.shape[1])], dim=1
        )
        with self._prompted_layers(layer_prompts, inside):
            output = self.model.base_model(
                inputs_embeds=embeds,
                attention_mask=_additive(_visible(attention_mask, answers), embeds.dtype),
                position_ids=positions,
                use_cache=False,
            )
        hidden = output.last_hidden_state
        last = hidden[torch.arange(batch, device=flat.device), last_real_token(attention_mask)]
        own = hidden[:, width:].view(*answers.mask.shape, -1)  # [B, O, L, H]
        first = last[:, None, None].expand(-1, own.shape[1], 1, -1)
        before = torch.cat([first, own[:, :, :-1]], dim=2)  # what predicts each token
        return mean_log_likelihood(self._write(before[answers.mask]), answers)

    def generate(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        layer_prompts: Tensor | None,
        generation: Generation,
    ) -> Tensor:
        """Return token ids [B, L], see `LanguageModel.generate`."""
        inputs_embeds = inputs_embeds.to(self.word_embeddings.weight.dtype)
        embeds, mask, _ = aligned(inputs_embeds, attention_mask, side="left")  # texts end together
        with (
            torch.no_grad(),
            seeded(generation.seed, self.device),
            self._prompted_layers(layer_prompts, mask),
        ):
            if generation.use_cache:
                return self._continue(embeds, mask, generation)
            with whole_text_each_step(self.model, embeds):
                return self._continue(embeds, mask, generation)

    def answer_ids(self, text: str, *, is_closed: bool) -> list[int]:
        """Return the token ids of an answer that follows an input after a blank.

        Raises:
            ConfigError: The tokeniser joins an answer with the word before it.
        """
        before, joined = self.tokenizer([_ANCHOR, f"{_ANCHOR} {text}"], add_special_tokens=False)[
            "input_ids"
        ]
        if joined[: len(before)] != before:
            raise ConfigError(
                "a decoder's tokeniser must keep an answer apart from the word before it, got "
                f"{joined} for {_ANCHOR + ' ' + text!r} and {before} for {_ANCHOR!r} "
                f"({self.directory}). Name another backbone."
            )
        ids: list[int] = joined[len(before) :]
        return [*ids, self._end_id()] if is_closed else ids

    def _end_id(self) -> int:
        end = self.model.generation_config.eos_token_id
        if end is None:
            raise ConfigError(
                f"a decoder that writes free text must have a token that ends a text, got none "
                f"({self.directory}). Set eos_token_id in its config.json."
            )
        return int(end[0] if isinstance(end, list) else end)

    def _continue(self, embeds: Tensor, mask: Tensor, generation: Generation) -> Tensor:
        written: Tensor = self.model.generate(
            inputs_embeds=embeds, attention_mask=mask, **generation.arguments()
        )
        return written

    def _write(self, hidden: Tensor) -> Tensor:
        head = self.model.get_output_embeddings()
        logits: Tensor = head(hidden.to(head.weight.dtype))
        return logits


def _positions(attention_mask: Tensor) -> Tensor:
    return (attention_mask.cumsum(dim=1) - 1).clamp(min=0)


def _visible(attention_mask: Tensor, answers: Answers) -> Tensor:
    """Return [B, Q, Q], true where a token of text and answers sees another one, or itself."""
    batch, width = attention_mask.shape
    _, most, longest = answers.mask.shape
    device = attention_mask.device
    owner = torch.cat(
        [torch.zeros(width, dtype=torch.int64, device=device),
         torch.arange(1, most + 1, device=device).repeat_interleave(longest)]
    )  # fmt: skip
    place = torch.arange(width + most * longest, device=device)
    is_earlier = place[:, None] >= place[None, :]
    is_shared = (owner[None, :] == 0) | (owner[:, None] == owner[None, :])
    real = torch.cat([attention_mask.bool(), answers.mask.flatten(1)], dim=1)  # [B, Q]
    itself = torch.eye(len(place), dtype=torch.bool, device=device)  # no row may see nothing at all
    return ((is_earlier & is_shared)[None] & real[:, None, :]) | itself[None].expand(batch, -1, -1)


def _additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """Return [B, 1, Q, Q] that is added to the scores, 0 where visible."""
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return mask.masked_fill(~visible, torch.finfo(dtype).min).unsqueeze(1)
