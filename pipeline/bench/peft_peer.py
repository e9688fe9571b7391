"""What a user would run instead: PEFT's prompt tuning under the model library's Trainer.

`AutoModelForSequenceClassification` over the same files with `PromptTuningConfig(SEQ_CLS)`: one
soft prompt of the same length, the backbone frozen, one linear classifier over the labels of all
tasks side by side. `DataCollatorWithPadding` pads to the longest of the batch. All else is the
Trainer's default, but that it keeps the order of the rows, writes nothing, draws no progress bar,
and has a learning rate at which prompts learn. With bf16 the Trainer's own switch is used.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from dpf_core.backbone.files import resolve_directory
from dpf_core.config import BackboneConfig, Precision
from dpf_core.gym.reader import Row
from pipeline.bench.settings import BenchSettings
from pipeline.bench.workload import SEED, Workload
from pipeline.peft_classifier import PeftClassifier

OnStep = Callable[[int], None]


class PeftPeer:
    """A training by PEFT and the Trainer, on the rows of a workload in their order.

    Args:
        workload: Whose batches are trained.
        settings: Backbone, prompt length, batch and learning rate.
        precision: bf16 is the Trainer's own mixed precision.
    """

    def __init__(
        self, workload: Workload, settings: BenchSettings, precision: Precision = "fp32"
    ) -> None:
        from peft import PromptTuningConfig, TaskType

        self.workload, self.settings, self.precision = workload, settings, precision
        self.trained_rows: list[str] = []
        """Names of the rows that were put into batches, in their order."""
        counts = [len(task.labels) for task in workload.tasks]
        self.offsets = [sum(counts[:i]) for i in range(len(counts))]
        self.classifier = PeftClassifier(
            resolve_directory(BackboneConfig(name=settings.backbone)),
            sum(counts),
            PromptTuningConfig(
                task_type=TaskType.SEQ_CLS, num_virtual_tokens=settings.prompt_length
            ),
            max_length=settings.max_length,
            seed=SEED,
        )
        self.model = self.classifier.model

    def train(self, on_step: OnStep) -> None:
        """Train all batches; `on_step` gets the number of steps done, 0 before the first."""
        self.classifier.train(
            self._examples(),
            on_step,
            device=self.settings.device,
            collate=self._collate,
            per_device_train_batch_size=self.workload.batch_size,
            max_steps=self.workload.num_steps,
            learning_rate=self.settings.peer_learning_rate,
            bf16=self.precision == "bf16",
        )

    @torch.inference_mode()
    def held_out_quality(self) -> tuple[float, float]:
        """Return loss in nats and accuracy on held-out rows among a task's own labels.

        Both are means over the tasks, as those of our side are.
        """
        scored = [self._score(task, rows) for task, rows in enumerate(self.workload.held_out_rows)]
        losses, accuracies = zip(*scored, strict=True)
        return sum(losses) / len(scored), sum(accuracies) / len(scored)

    def token_ids(self, text: str) -> list[int]:
        """Return the tokens of an input, cut as on our side."""
        return self.classifier.token_ids(text)

    def _score(self, task: int, rows: Sequence[Row]) -> tuple[float, float]:
        spec, first = self.workload.tasks[task], self.offsets[task]
        labels = torch.tensor([spec.labels.index(row.output) for row in rows])
        features = [{"input_ids": self.token_ids(row.input)} for row in rows]
        every = self.classifier.logits(features, self.settings.batch_size)
        logits = every[:, first : first + len(spec.labels)]
        loss = torch.nn.functional.cross_entropy(logits, labels)
        return float(loss), float((logits.argmax(dim=1) == labels).float().mean())

    def _examples(self) -> list[dict[str, Any]]:
        steps = range(self.workload.num_steps)
        return [self._example(*pair) for step in steps for pair in self.workload.batch(step)]

    def _example(self, task: int, row: int) -> dict[str, Any]:
        content = self.workload.train_rows[task][row]
        label = self.workload.tasks[task].labels.index(content.output)
        return {
            "row_id": self.workload.row_id(task, row),
            "input_ids": self.token_ids(content.input),
            "labels": self.offsets[task] + label,
        }

    def _collate(self, examples: Sequence[dict[str, Any]]) -> Any:
        self.trained_rows += [example["row_id"] for example in examples]
        features = [{k: v for k, v in example.items() if k != "row_id"} for example in examples]
        return self.classifier.collated(features)
