"""The usual ways to every task's gradient norm, which our one backward pass is measured against."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from dpf_core.batching import collate
from dpf_core.config import TrainConfig
from dpf_core.examples import TaskExamples
from dpf_core.front_end import FrontEnd
from dpf_core.model import DPFModel
from dpf_core.training.step import StepResult
from pipeline.bench.ours import Examples, OwnTraining

Graphs = Callable[[DPFModel, Examples], Iterator[tuple[int, Tensor, bool]]]
"""Yields each task's id and mean loss, and whether its graph is needed again."""


def one_graph(model: DPFModel, examples: Examples) -> Iterator[tuple[int, Tensor, bool]]:
    """Run the mixed batch once, and give each task's loss of the one graph: GradNorm as written."""
    batch, labels = collate(examples)
    batch, labels = batch.to(model.backbone.device), labels.to(model.backbone.device)
    losses = model.losses(model(batch), labels, batch)
    present = sorted(set(batch.task_ids.tolist()))
    for task in present:
        yield task, losses[batch.task_ids == task].mean(), task != present[-1]


def per_task_graphs(model: DPFModel, examples: Examples) -> Iterator[tuple[int, Tensor, bool]]:
    """Run each task's examples on their own, as a loop over tasks does."""
    for task in sorted({part.task_id for part, _ in examples}):
        mine = [pair for pair in examples if pair[0].task_id == task]
        batch, labels = collate(mine)
        batch, labels = batch.to(model.backbone.device), labels.to(model.backbone.device)
        yield task, model.losses(model(batch), labels, batch).mean(), False


class SeparateBackwards(OwnTraining):
    """A training that runs one backward pass for each task.

    Args:
        model: At the start of training, with a pool.
        train_sets: Of each task, in task-id order.
        config: Rates, steps and balancing.
        graphs: How losses are made.
    """

    def __init__(
        self,
        model: DPFModel,
        train_sets: Sequence[TaskExamples],
        config: TrainConfig,
        *,
        graphs: Graphs,
    ) -> None:
        super().__init__(model, train_sets, config)
        self._graphs = graphs

    def advance(self, examples: Examples) -> StepResult:
        """Train on one batch; the pool's gradient of each task is made and measured."""
        assert isinstance(self.model.front_end, FrontEnd), "the benchmark's models have a pool"
        self.start()
        pool = self.model.front_end.pool.prompts
        tensors = [t for t in self.model.trainable_parameters().values() if t.requires_grad]
        where = next(i for i, tensor in enumerate(tensors) if tensor is pool)
        ids, losses, norms = [], [], []
        for task, loss, again in self._graphs(self.model, examples):
            found = torch.autograd.grad(loss, tensors, retain_graph=again, allow_unused=True)
            of_pool = found[where]
            assert of_pool is not None, "every task's loss depends on the pool"
            norms.append(of_pool.norm())
            _add(tensors, found, float(self.balancer.weights[task]))
            ids.append(task)
            losses.append(loss.detach())
        result = StepResult(
            task_ids=torch.tensor(ids),
            losses=torch.stack(losses).cpu(),
            gradient_norms=torch.stack(norms).cpu(),
        )
        self.finish(result)
        return result


def _add(tensors: Sequence[Tensor], found: Sequence[Tensor | None], weight: float) -> None:
    for tensor, gradient in zip(tensors, found, strict=True):
        if gradient is not None:
            weighted = gradient * weight
            tensor.grad = weighted if tensor.grad is None else tensor.grad + weighted
