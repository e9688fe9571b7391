"""A classifier as a user of PEFT builds it, trained as its examples are: by the Trainer.

`AutoModelForSequenceClassification` with one of PEFT's prompt methods: the encoder is frozen, the
prompt and one linear classifier learn. `DataCollatorWithPadding` pads to the longest of a batch.
All else is the Trainer's default, but that it keeps the order of the rows, writes nothing, and
draws no progress bar. `dpf bench train` measures its speed, `dpf science reference` its scores.
"""

import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from dpf_core.backbone.quiet import quiet_transformers
from dpf_core.errors import ConfigError

OnStep = Callable[[int], bool | None]
"""Gets the steps done, 0 before the first; True ends the training."""


def peft_version() -> str:
    """Return the version of PEFT.

    Raises:
        ConfigError: PEFT, or what the Trainer needs, is not installed.
    """
    try:
        version("accelerate")
        return version("peft")
    except PackageNotFoundError as error:
        raise ConfigError(
            f"PEFT and accelerate must be installed to train by them, got no {error.name}. Run: "
            "pip install 'dynamic-prompt-fusion[peft]'."
        ) from error


class PeftClassifier:
    """A frozen encoder with PEFT's prompt and a linear classifier.

    Args:
        directory: Of the encoder's files.
        num_labels: C, outputs of the classifier.
        config: One of PEFT's, of the task type SEQ_CLS.
        max_length: Tokens of an input, special tokens included, prompt excluded.
        seed: Of what starts at random.
    """

    def __init__(
        self, directory: Path, num_labels: int, config: Any, *, max_length: int, seed: int
    ) -> None:
        from peft import get_peft_model
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(directory)
        self.max_length, self.seed = max_length, seed
        torch.manual_seed(seed)
        with quiet_transformers():  # a classifier without weights is as it must be
            base = AutoModelForSequenceClassification.from_pretrained(
                directory, num_labels=num_labels, dtype=torch.float32
            )
        with warnings.catch_warnings():  # PEFT asks by a name that transformers has replaced
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
            self.model: Any = get_peft_model(base, config)

    @property
    def trainable(self) -> dict[str, Tensor]:
        """The tensors that learn, by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def token_ids(self, text: str) -> list[int]:
        """Return the tokens of an input, cut to the limit."""
        encoded = self.tokenizer(text, truncation=True, max_length=self.max_length)
        ids: list[int] = encoded["input_ids"]
        return ids

    @torch.inference_mode()
    def logits(self, features: Sequence[dict[str, Any]], batch_size: int) -> Tensor:
        """Return [N, C] fp32, on the CPU.

        Args:
            features: `input_ids` of each row, and what else the model takes.
            batch_size: Rows of a forward pass.
        """
        self.model.eval()
        parts = []
        for start in range(0, len(features), batch_size):
            some: Any = features[start : start + batch_size]
            batch = self.tokenizer.pad(some, return_tensors="pt")
            parts.append(self.model(**batch.to(self.model.device)).logits.float().cpu())
        return torch.cat(parts)

    def train(
        self,
        examples: Sequence[dict[str, Any]],
        on_step: OnStep,
        *,
        device: str,
        collate: Callable[[Sequence[dict[str, Any]]], Any] | None = None,
        **arguments: Any,
    ) -> None:
        """Train on the examples in their order.

        Args:
            examples: `input_ids` and `labels` of each, and what else the model takes.
            on_step: Called before the first step and after each.
            device: `cpu`, or the GPU that the Trainer finds.
            collate: Makes a batch of examples; `collated` by default.
            arguments: Of the Trainer.
        """
        from transformers import PrinterCallback, Trainer, TrainingArguments

        on_cpu = device.startswith("cpu")
        with TemporaryDirectory(prefix="dpf-peft-") as folder:
            settings = TrainingArguments(
                output_dir=folder,
                use_cpu=on_cpu,
                dataloader_pin_memory=not on_cpu,
                train_sampling_strategy="sequential",
                remove_unused_columns=False,  # a collator drops what is no input of the model
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                seed=self.seed,
                **arguments,
            )
            settings._n_gpu = min(settings.n_gpu, 1)  # or each step takes a batch for each GPU
            trainer = Trainer(
                model=self.model,
                args=settings,
                train_dataset=examples,
                data_collator=collate or self.collated,
                callbacks=[_callback(on_step)],
            )
            trainer.remove_callback(PrinterCallback)
            with quiet_transformers():
                trainer.train()

    def collated(self, examples: Sequence[dict[str, Any]]) -> Any:
        """Return a batch of examples, padded to the longest."""
        from transformers import DataCollatorWithPadding

        return DataCollatorWithPadding(self.tokenizer)(list(examples))


def _callback(on_step: OnStep) -> Any:
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        """Tells how many steps are done."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            on_step(0)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if on_step(state.global_step):
                control.should_training_stop = True

    return Watch()
