"""What both sides of a benchmark share."""

from dataclasses import dataclass

from dpf_core.config import Precision


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchSettings:
    """How a benchmark trains; equal on both sides where both have it."""

    backbone: str = "bundled"
    """As `backbone.name` of params.yaml."""
    precision: Precision = "fp32"
    """Of our side; the peer is measured in fp32, and in bf16 where that is worth it."""
    device: str = "cpu"
    num_threads: int = 2
    batch_size: int = 32
    prompt_length: int = 16
    pool_size: int = 16
    """K, of our side; the peer has one prompt."""
    max_length: int = 128
    """Tokens of an input, prompt excluded."""
    peer_learning_rate: float = 1e-3
    """Of the peer's AdamW, that of PEFT's own prompt-tuning example; the speed does not depend on
    it."""
