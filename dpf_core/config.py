"""Frozen settings of the library, one dataclass for each section of params.yaml.

What a value means and where it comes from stands under its field. Filling them from a mapping is
done in `config_reading.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dpf_core.config_checks import above_zero, at_least, refuse, within
from dpf_core.errors import ConfigError

Precision = Literal["fp32", "bf16"]
Attention = Literal["packed", "eager", "sdpa"]
Method = Literal[
    "dpf", "shared_prompt", "single_task", "mpt", "attempt", "heads_only", "full_finetune"
]
LossBalancing = Literal["gradnorm", "equal", "random", "fixed"]
Quantization = Literal["int8", "int4"]
TemperatureMode = Literal["fixed", "learned", "annealed"]
SchedulerMode = Literal["learned", "fixed"]
GateMode = Literal["learned", "none", "mean", "concatenated"]
PoolInit = Literal["vocabulary", "label_words", "task_text", "random"]
TaskEmbeddingInit = Literal["name", "label_words", "task_text", "random"]

_SEEDS = 2**32
"""NumPy's generators take no seed from here on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BackboneConfig:
    """The frozen language model and how it runs."""

    name: str = "bundled"
    """`bundled` (the encoder that the `starter` extra installs), a local directory, or a hub id."""
    revision: str | None = None
    """Commit of a hub repository; a hub id needs one, anything else refuses it."""
    precision: Precision = "fp32"
    """Of the backbone's weights and activations; prompts and optimiser state are always fp32."""
    quantization: Quantization | None = None
    """Load the frozen weights in 8 or 4 bits, with bitsandbytes on a GPU; null: as they are."""
    attention: Attention = "packed"
    """`packed` does no work on padding (backbone/packing.py) and serves encoders; the model library
    has the others."""
    max_length: int = 128
    """Tokens of an input, special tokens included, prompt excluded; longer inputs are cut."""
    max_answer_length: int = 32
    """Tokens of an answer that a language model scores or writes; longer ones are cut."""
    batch_tokens: int = 4096
    """Padded tokens with prompt of a training pass (others: 4 times); bounds memory, no results."""

    def __post_init__(self) -> None:
        """Check ranges."""
        at_least(self, "max_length", 8)
        at_least(self, "max_answer_length", 1)
        at_least(self, "batch_tokens", 64)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """Shape and start of the trainable parts: equations 1 to 4 and the heads."""

    method: Method = "dpf"
    """`dpf`, or a baseline: one `shared_prompt` for all tasks, one prompt for each (`single_task`),
    a shared one times a factor for each (`mpt`), one for each example that attends to trained ones
    (`attempt`), `heads_only` without a prompt, or every weight of the backbone
    (`full_finetune`)."""
    prompt_length: int = 8
    """P, soft prompt vectors before the input."""
    prompted_depth: int = 1
    """D, backbone layers that get their own prompt; 1 is the input layer only."""
    pool_size: int = 16
    """K, prompts in the shared pool."""
    temperature: float = 0.9
    """Softmax temperature of the task scheduler, > 0; 0.9 is the paper's best."""
    temperature_mode: TemperatureMode = "fixed"
    """`learned` trains it from `temperature`; `annealed` moves it to `final_temperature`."""
    final_temperature: float | None = None
    """Where `annealed` ends, > 0, in equal ratios a step; null for the other modes."""
    pool_init: PoolInit = "vocabulary"
    """Prompts start as words of the vocabulary drawn at random, as words of the tasks' labels or of
    their descriptions, or as random numbers with the spread of word embeddings."""
    task_embedding_init: TaskEmbeddingInit = "name"
    """What e_t starts as the meaning of, times `task_embedding_scale`; `random`: words' spread."""
    init_from: str | None = None
    """Folder of an earlier pool, or of PEFT prompt-tuning adapters, that the parts start from."""
    scheduler_init_std: float = 1.0
    """Standard deviation of the scheduler logits W at the start; 0 gives uniform mixing."""
    scheduler_mode: SchedulerMode = "learned"
    """`fixed` leaves W as it starts: at random, or with `scheduler_init_std` 0 as a uniform mix."""
    scheduler_top_k: int | None = None
    """Prompts that a task mixes, those of its largest logits; null: all of the pool."""
    task_embedding_scale: float = 0.5
    """e_t starts as the backbone's embedding of the task's name times this."""
    gate_bias: float = -2.0
    """b_g at the start; -2 lets 12% of the task embedding through, so the pool gets gradients."""
    gate_mode: GateMode = "learned"
    """`none` leaves e_t out, `mean` takes the mean of e_t and the combined prompt, `concatenated`
    gives e_t the first of the P positions and the pool the others."""
    attention_size: int = 64
    """Of the bottleneck through which `attempt` reads a text; other methods do not use it."""
    attention_temperature: float = 2.0
    """Of the weights with which `attempt` mixes prompts; other methods do not use it. At 2 the
    scores, which spread by 1.5 over 8 source prompts of the bundled encoder, neither pick one
    prompt nor mix all alike."""
    head_scale: float = 16.0
    """Factor on the cosine-like product of text and label vectors, the inverse of a temperature."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("prompt_length", "prompted_depth", "pool_size", "attention_size"):
            at_least(self, name, 1)
        for name in ("temperature", "attention_temperature", "head_scale"):
            above_zero(self, name)
        at_least(self, "scheduler_init_std", 0)
        top_k, has_scheduler = self.scheduler_top_k, self.method == "dpf"
        if top_k is not None and not 1 <= top_k <= (self.pool_size if has_scheduler else top_k):
            refuse(self, "scheduler_top_k", f"null or in [1, {self.pool_size}], the pool_size")
        if self.pool_prompt_length < 1:
            refuse(self, "prompt_length", ">= 2 where gate_mode is concatenated")
        _check_final_temperature(self)

    @property
    def pool_prompt_length(self) -> int:
        """Positions of the pool's prompts; P less that of e_t where it has one of its own."""
        has_own = self.method == "dpf" and self.gate_mode == "concatenated"
        return self.prompt_length - has_own


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Multi-task training."""

    seed: int = 13
    """Of initialisation, row choice and batch order."""
    max_steps: int = 500
    """Optimiser steps at most; early stopping may end sooner."""
    batch_size: int = 24
    """Examples of a step, drawn from all tasks."""
    max_train_rows: int = 2000
    """Training rows of a task at most, chosen by the seed."""
    dev_rows: int = 64
    """Rows of a task's training file held out for early stopping, at most a fifth of them."""
    sampling_temperature: float = 4.0
    """Tasks are drawn in proportion to rows^(1/this): 1 is by size, large is uniform."""
    prompt_learning_rate: float = 0.02
    """Of pool, scheduler and task embeddings."""
    gate_learning_rate: float = 0.003
    """Of W_g and b_g; one gate value sums H weights, so a prompt's rate would saturate it. Also of
    what `attempt` attends with."""
    head_learning_rate: float = 0.003
    """Of the label offsets and biases."""
    backbone_learning_rate: float = 5e-5
    """Of the backbone's weights; `full_finetune` alone trains them."""
    weight_decay: float = 0.0
    """AdamW's, on every trainable tensor."""
    warmup_fraction: float = 0.05
    """Share of the steps in which the learning rate rises; it falls to 0 by a cosine afterwards."""
    gradient_clip: float = 1.0
    """Largest norm of all gradients together."""
    loss_balancing: LossBalancing = "equal"
    """Task weights: GradNorm (equation 7), all equal to 1, drawn anew at each step, or fixed by the
    tasks' initial losses."""
    fixed_weight_power: float = -1.0
    """Fixed weights are proportional to L_t(0) to this power; -1 lets all tasks start alike."""
    restoring_force: float = 0.5
    """GradNorm's alpha: 0 equalises gradient norms, more favours tasks that learn slowly."""
    task_weight_learning_rate: float = 0.025
    """Step size of log lambda."""
    initial_loss_rows: int = 32
    """Rows of a task on which its initial loss L_t(0) is measured."""
    eval_every_steps: int = 125
    """Steps between measurements on the dev rows."""
    patience: int = 3
    """Measurements without a better dev score before training stops."""
    checkpoint_every_steps: int = 50
    """Steps between checkpoints."""
    log_every_steps: int = 10
    """Steps between rows of the training history."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in (
            "max_steps", "batch_size", "max_train_rows", "dev_rows", "initial_loss_rows",
            "eval_every_steps", "patience", "checkpoint_every_steps", "log_every_steps",
        ):  # fmt: skip
            at_least(self, name, 1)
        for name in (
            "sampling_temperature", "prompt_learning_rate", "gate_learning_rate",
            "head_learning_rate", "backbone_learning_rate", "gradient_clip",
            "task_weight_learning_rate",
        ):  # fmt: skip
            above_zero(self, name)
        for name in ("weight_decay", "restoring_force", "warmup_fraction"):
            at_least(self, name, 0)
        if not 0 <= self.seed < _SEEDS:
            refuse(self, "seed", f"in [0, {_SEEDS})")
        if self.warmup_fraction >= 1:
            raise ConfigError(
                f"warmup_fraction must be < 1, got {self.warmup_fraction} "
                "(train.warmup_fraction in params.yaml). Use a small share such as 0.05."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig:
    """Scoring on the test files and the alarms of the diagnostics."""

    max_test_rows: int | None = None
    """Test rows of a task at most, the first of a shuffle by `sample_seed`; null scores all."""
    sample_seed: int = 1
    """Of that shuffle (Python's own generator)."""
    neighbour_temperatures: tuple[float, ...] = (0.7, 1.0)
    """Temperatures tried on the dev rows beside the trained one."""
    min_mixing_divergence: float = 0.01
    """Below this mean Jensen-Shannon divergence (nats) the tasks' prompts have collapsed."""
    max_gate_saturation: float = 0.5
    """Above this share of gate values outside [0.05, 0.95] the gate is saturated."""
    max_unused_share: float = 0.5
    """Above this share of prompts that no task weighs over 1/K, the pool is too large."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.max_test_rows is not None:
            at_least(self, "max_test_rows", 1)
        for value in self.neighbour_temperatures:
            if not value > 0:
                raise ConfigError(
                    f"a temperature must be > 0, got {value} (evaluate.neighbour_temperatures in "
                    "params.yaml). Leave the list empty to try none."
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportConfig:
    """ONNX files and the comparison that they must pass."""

    opset: int = 20
    """ONNX operator set of the exported graphs."""
    tolerance: float = 1e-4
    """Largest absolute difference to torch; fp32 sums in another order differ by about 1e-6."""
    provider: str = "CPUExecutionProvider"
    """Execution provider that the comparing session must get."""
    rows: int = 7
    """Rows of a task in the largest compared batch."""

    def __post_init__(self) -> None:
        """Check ranges."""
        at_least(self, "opset", 18)
        at_least(self, "rows", 1)
        above_zero(self, "tolerance")


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeConfig:
    """What the machine gives; part of the record, because fp32 sums depend on it."""

    num_threads: int = 2
    """Threads of torch's operators, of each process."""
    num_processes: int = 1
    """Processes that share each step of the train stage, which starts them; on a GPU each takes one
    of its own. Another number gives the same pool within rounding, not to the bit, so it is part of
    a checkpoint's key. See `dpf_core/training/processes.py`."""
    device: str = "cpu"
    """Where backbone and prompts are, as torch names devices."""
    gradient_checkpointing: bool = False
    """Run each layer of the backbone again in the backward pass, and keep its input alone:
    less memory, more time, the same bits. Of an encoder-decoder the encoder's layers."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("num_threads", "num_processes"):
            within(self, name, 1, 1024)  # far beyond, a process ends without a word


LATER_TRAIN_SETTINGS: Mapping[str, Any] = {"fixed_weight_power": -1.0}
LATER_MODEL_SETTINGS: Mapping[str, Any] = {
    "scheduler_mode": "learned", "scheduler_top_k": None, "gate_mode": "learned",
}  # fmt: skip
"""Settings that came after the first pools and results, which have none, and what they had."""

SECTIONS: dict[type, str] = {
    BackboneConfig: "backbone",
    ModelConfig: "model",
    TrainConfig: "train",
    EvaluateConfig: "evaluate",
    ExportConfig: "export",
    RuntimeConfig: "runtime",
}
"""The section of params.yaml that each dataclass reads."""


def _check_final_temperature(config: ModelConfig) -> None:
    if config.temperature_mode == "annealed":
        if config.final_temperature is None or not config.final_temperature > 0:
            refuse(config, "final_temperature", "> 0 where temperature_mode is annealed")
    elif config.final_temperature is not None:
        contract = f"null where temperature_mode is {config.temperature_mode}, as it has no effect"
        refuse(config, "final_temperature", contract)
