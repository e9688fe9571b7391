"""How a language model writes text after a prompted input: greedily, by beams, or by sampling."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dpf_core.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """How tokens are chosen. The defaults are greedy."""

    max_new_tokens: int = 32
    """Tokens of an answer at most."""
    num_beams: int = 1
    """Texts that are kept side by side; 1 is no beam search."""
    is_sampled: bool = False
    """Draw each token instead of taking the most likely one."""
    sampling_temperature: float = 1.0
    """Divides the logits of a drawn token, > 0."""
    top_p: float = 1.0
    """A token is drawn from the most likely ones that together have this probability."""
    seed: int = 0
    """Of the draws."""
    use_cache: bool = True
    """Keep keys and values of earlier tokens; without them the same text takes longer."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("max_new_tokens", "num_beams"):
            if getattr(self, name) < 1:
                _refuse(self, name, ">= 1")
        if not self.sampling_temperature > 0:
            _refuse(self, "sampling_temperature", "> 0")
        if not 0 < self.top_p <= 1:
            _refuse(self, "top_p", "in (0, 1]")
        if not self.is_sampled and (self.sampling_temperature != 1 or self.top_p != 1):
            raise ConfigError(
                "sampling_temperature and top_p must be 1 unless is_sampled is true, got "
                f"{self.sampling_temperature} and {self.top_p}. They have no effect otherwise."
            )

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the model library's `generate`."""
        from transformers import LogitsProcessorList

        drawn = {"temperature": self.sampling_temperature, "top_p": self.top_p, "top_k": 0}
        return {
            "logits_processor": LogitsProcessorList([_OnlyNumbers()]),
            "max_new_tokens": self.max_new_tokens,
            "num_beams": self.num_beams,
            "do_sample": self.is_sampled,
            "use_cache": self.use_cache,
        } | (drawn if self.is_sampled else {})


def neutral_generation_config(model: Any, tokenizer: Any) -> Any:
    """Return a generation config that knows the model's special tokens and nothing else."""
    from transformers import GenerationConfig

    own, settings = model.generation_config, model.config
    end = own.eos_token_id if own.eos_token_id is not None else settings.eos_token_id
    padding = tokenizer.pad_token_id
    if padding is None:
        padding = end[0] if isinstance(end, list) else end
    return GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=settings.bos_token_id,
        eos_token_id=end,
        pad_token_id=padding,
        decoder_start_token_id=getattr(settings, "decoder_start_token_id", None),
    )


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators for the block, because the model library draws from them."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def whole_text_each_step(model: Any, inputs_embeds: Tensor) -> Iterator[None]:
    """Make a decoder without a cache read prompt and input at every step, not at the first alone.

    The model library passes `inputs_embeds` in the first step only; without a cache every later
    token would then be written as if there were neither prompt nor input.

    Args:
        model: A decoder of the model library.
        inputs_embeds: [B, S, H] that generation starts from.
    """
    prepare = model.prepare_inputs_for_generation

    start = inputs_embeds

    # The library reads the names of these arguments to learn what it may pass.
    def prepare_whole(
        input_ids: Tensor,
        attention_mask: Tensor,
        inputs_embeds: Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        del inputs_embeds, kwargs
        beams = input_ids.shape[0] // start.shape[0]
        whole = [start.repeat_interleave(beams, dim=0), model.get_input_embeddings()(input_ids)]
        return {
            "inputs_embeds": torch.cat(whole, dim=1),
            "attention_mask": attention_mask,
            "position_ids": (attention_mask.cumsum(dim=1) - 1).clamp(min=0),
            "use_cache": False,
        }

    model.prepare_inputs_for_generation = prepare_whole
    try:
        yield
    finally:
        del model.prepare_inputs_for_generation
        assert model.prepare_inputs_for_generation == prepare


class _OnlyNumbers:
    """Ends generation where the next token would be chosen from NaN; changes nothing else."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the scores [B, V] as they are."""
        if scores.isnan().any():
            raise ConfigError(
                f"the logits of a token must be numbers, got NaN after {input_ids.shape[1]} tokens "
                "of an answer. The weights are not finite, or bf16 is too coarse: train with lower "
                "learning rates (train in params.yaml), or set backbone.precision to fp32."
            )
        return scores


def _refuse(generation: Generation, name: str, contract: str) -> None:
    raise ConfigError(f"{name} must be {contract}, got {getattr(generation, name)}. Correct it.")
