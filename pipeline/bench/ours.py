"""Our side of a benchmark: the steps of `dpf train`, driven one by one."""

from collections.abc import Callable, Sequence

import torch

from dpf_core.backbone.frozen import Backbone
from dpf_core.backbone.loading import load_backbone
from dpf_core.build import build_model
from dpf_core.config import BackboneConfig, ModelConfig, TrainConfig
from dpf_core.evaluation.metrics import accuracy
from dpf_core.evaluation.per_task import mean_loss, predict, right_answers
from dpf_core.examples import TaskExamples, encode_rows
from dpf_core.gym.reader import Row
from dpf_core.heads import HeadSpec
from dpf_core.loss_balancing import EqualWeights, GradNorm, LossBalancer
from dpf_core.model import DPFModel
from dpf_core.training.optimizer import build_optimizer, set_learning_rate
from dpf_core.training.step import StepResult, accumulate_gradients
from pipeline.bench.settings import BenchSettings
from pipeline.bench.workload import SEED, Workload

Examples = list[tuple[TaskExamples, int]]


class OwnTraining:
    """A training whose steps can be timed; a test holds its losses equal to `dpf train`'s.

    Args:
        model: At the start of training.
        train_sets: Of each task, in task-id order.
        config: Rates, steps and balancing.
    """

    def __init__(
        self, model: DPFModel, train_sets: Sequence[TaskExamples], config: TrainConfig
    ) -> None:
        self.model, self.config = model, config
        self.step = 0
        self.optimizer = build_optimizer(model, config)
        self.balancer: LossBalancer = EqualWeights(len(model.tasks))
        self._tensors = list(model.trainable_parameters().values())
        if config.loss_balancing == "gradnorm":
            first = [task.head(config.initial_loss_rows) for task in train_sets]
            self.balancer = GradNorm(
                torch.tensor([mean_loss(model, task) for task in first]),
                restoring_force=config.restoring_force,
                learning_rate=config.task_weight_learning_rate,
            )

    def advance(self, examples: Examples) -> StepResult:
        """Train on one batch, all of its gradients from one backward pass."""
        self.start()
        result = accumulate_gradients(self.model, examples, self.balancer.weights)
        self.finish(result)
        return result

    def start(self) -> None:
        """Do what a step does before its gradients."""
        set_learning_rate(self.optimizer, self.step, self.config)
        self.optimizer.zero_grad(set_to_none=True)

    def finish(self, result: StepResult) -> None:
        """Do what a step does with its gradients."""
        torch.nn.utils.clip_grad_norm_(self._tensors, self.config.gradient_clip)
        self.optimizer.step()
        self.balancer.update(result.task_ids, result.losses, result.gradient_norms)
        self.step += 1


def open_backbone(settings: BenchSettings) -> Backbone:
    """Return the frozen backbone that the settings name, with attention that skips padding."""
    config = BackboneConfig(
        name=settings.backbone, precision=settings.precision, max_length=settings.max_length
    )
    return load_backbone(config, device=settings.device)


def new_model(backbone: Backbone, tasks: Sequence[HeadSpec], settings: BenchSettings) -> DPFModel:
    """Return a model at the start of training; equal arguments give equal bits."""
    config = ModelConfig(prompt_length=settings.prompt_length, pool_size=settings.pool_size)
    return build_model(backbone, tasks, config, torch.Generator().manual_seed(SEED))


def encode_all(
    rows: Sequence[list[Row]], tasks: Sequence[HeadSpec], backbone: Backbone
) -> list[TaskExamples]:
    """Return the tokenised rows of each task."""
    pairs = zip(rows, tasks, strict=True)
    return [encode_rows(part, spec, i, backbone) for i, (part, spec) in enumerate(pairs)]


def batches(workload: Workload, train_sets: Sequence[TaskExamples]) -> list[Examples]:
    """Return the examples of every step."""
    steps = range(workload.num_steps)
    return [[(train_sets[task], row) for task, row in workload.batch(step)] for step in steps]


def steps_of(side: OwnTraining, steps: Sequence[Examples]) -> Callable[[int], object]:
    """Return what trains on the batch of a turn."""
    return lambda turn: side.advance(steps[turn])


def count_tokens(examples: Examples, prompt_length: int) -> int:
    """Return the real tokens of a batch, prompts included and padding excluded."""
    return sum(task.num_tokens(row) + prompt_length for task, row in examples)


def count_padded_tokens(examples: Examples, prompt_length: int) -> int:
    """Return the positions of a batch that is padded to its longest, prompts included."""
    return len(examples) * max(task.num_tokens(row) + prompt_length for task, row in examples)


def count_parameters(backbone: Backbone) -> int:
    """Return the backbone's parameters outside its embedding tables."""
    tables = (torch.nn.Embedding,)
    modules = [module for module in backbone.model.modules() if not isinstance(module, tables)]
    return sum(p.numel() for module in modules for p in module.parameters(recurse=False))


def held_out_quality(model: DPFModel, sets: Sequence[TaskExamples]) -> tuple[float, float]:
    """Return loss in nats and accuracy on held-out rows, means over the tasks."""
    losses = [mean_loss(model, task) for task in sets]
    accuracies = [accuracy(predict(model, task), right_answers(model, task)) for task in sets]
    return sum(losses) / len(sets), sum(accuracies) / len(sets)
