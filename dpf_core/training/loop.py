"""The training loop: mixed-task steps, task weights, early stopping, checkpoints and history."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dpf_core.config import TrainConfig
from dpf_core.errors import ConfigError
from dpf_core.evaluation.per_task import mean_loss, quick_score
from dpf_core.examples import TaskExamples
from dpf_core.front_end import FrontEnd
from dpf_core.loss_balancing import (
    EqualWeights,
    FixedWeights,
    GradNorm,
    LossBalancer,
    RandomWeights,
)
from dpf_core.model import DPFModel
from dpf_core.training.checkpoint import CheckpointStore, Snapshot
from dpf_core.training.history import HistoryRow, front_end_rows
from dpf_core.training.mixing import mixing_table
from dpf_core.training.optimizer import (
    annealed_temperature,
    build_optimizer,
    set_learning_rate,
)
from dpf_core.training.processes import SINGLE, Processes
from dpf_core.training.state import TrainingState, restore, snapshot_of
from dpf_core.training.step import StepResult, accumulate_gradients


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """What a progress bar shows after a step."""

    step: int
    max_steps: int
    loss: float
    dev_score: float | None


@dataclass(kw_only=True, slots=True)
class TrainResult:
    """What training did; the model itself holds the best weights."""

    num_steps: int
    best_step: int
    best_dev_score: float
    is_stopped_early: bool
    examples_seen: int
    task_weights: dict[str, float]
    """Of each task's loss, as a next step would use them."""
    final_losses: dict[str, float]
    history: list[HistoryRow]
    resumed_at: int | None
    """Step of the checkpoint that training went on from."""
    problems: list[str]
    """Damaged checkpoints that were passed over."""


def train(
    model: DPFModel,
    train_sets: Sequence[TaskExamples],
    dev_sets: Sequence[TaskExamples],
    config: TrainConfig,
    *,
    checkpoints: CheckpointStore | None = None,
    on_step: Callable[[Progress], None] = lambda _: None,
    processes: Processes = SINGLE,
) -> TrainResult:
    """Train the model in place and leave it at its best dev score.

    Two runs with the same arguments give the same bits, also when one was killed and resumed. The
    number of processes counts among the arguments: another one gives other sums in fp32.

    Args:
        model: Starts as it is; its backbone never changes unless it is unfrozen.
        train_sets: Training rows of each task, in task-id order.
        dev_sets: Held-out rows of each task, in task-id order.
        config: Steps, rates and balancing.
        checkpoints: Where to write checkpoints and look for one to go on from. The first process
            writes, all read, so that the folder must be one that every process sees.
        on_step: Called after each step, for a progress bar.
        processes: That train together; the other arguments are the same in each.

    Raises:
        ConfigError: A setting has no effect, there is nothing to train, or training diverged.
        CheckpointError: A checkpoint cannot be written, or the processes found different ones.
        ProcessError: Another process has ended.
    """
    if not model.has_shared_prompts and config.loss_balancing == "gradnorm":
        raise ConfigError(
            "loss_balancing must be equal, random or fixed where model.method is "
            f"{model.config.method}, got gradnorm (train.loss_balancing in params.yaml): the tasks "
            "share no prompt."
        )
    if processes.count > config.batch_size:
        raise ConfigError(
            f"num_processes must be <= the examples of a step, {config.batch_size}, got "
            f"{processes.count} (runtime.num_processes, train.batch_size in params.yaml). Lower "
            "the first, or raise the second."
        )
    run = _Run(model, train_sets, dev_sets, config, processes)
    resumed_at, problems = run.resume(checkpoints)
    while run.state.step < config.max_steps and not run.is_out_of_patience:
        loss = run.advance()
        dev_score = run.measure()
        done = run.state.step
        if checkpoints and processes.is_first and run.is_checkpoint_due:
            checkpoints.save(done, snapshot_of(run.state, run.named, run.optimizer, run.balancer))
        on_step(Progress(step=done, max_steps=config.max_steps, loss=loss, dev_score=dev_score))
    return run.finish(resumed_at, problems)


class _Run:
    """A training in progress."""

    def __init__(
        self,
        model: DPFModel,
        train_sets: Sequence[TaskExamples],
        dev_sets: Sequence[TaskExamples],
        config: TrainConfig,
        processes: Processes,
    ) -> None:
        self.model, self.config, self.processes = model, config, processes
        self.train_sets, self.dev_sets = train_sets, dev_sets
        self.names = [task.name for task in model.tasks]
        self.named = model.trainable_parameters()
        self.optimizer = build_optimizer(model, config)
        self.state = TrainingState()
        self.balancer: LossBalancer = EqualWeights(len(self.names))
        self.table = mixing_table(
            [len(task) for task in train_sets],
            num_steps=config.max_steps,
            batch_size=config.batch_size,
            sampling_temperature=config.sampling_temperature,
            seed=config.seed,
        )

    @property
    def is_out_of_patience(self) -> bool:
        waited = self.state.step - self.state.best_step
        return self.state.best_step > 0 and waited >= (
            self.config.patience * self.config.eval_every_steps
        )

    @property
    def is_checkpoint_due(self) -> bool:
        step = self.state.step
        return step % self.config.checkpoint_every_steps == 0 and step < self.config.max_steps

    def resume(self, checkpoints: CheckpointStore | None) -> tuple[int | None, list[str]]:
        device = self.model.backbone.device
        snapshot, problems = (
            checkpoints.load_agreed(self.processes, device) if checkpoints else (None, [])
        )
        self.balancer = self._balancer(snapshot)
        if snapshot is None:
            return None, problems
        self.state = restore(snapshot, self.named, self.optimizer, self.balancer)
        return self.state.step, problems

    def _balancer(self, snapshot: Snapshot | None) -> LossBalancer:
        """Return one at its start; a snapshot's weights come to it afterwards."""
        config, known = self.config, snapshot.tensors if snapshot else {}
        if config.loss_balancing == "gradnorm":
            return GradNorm(
                known["balancer.initial_losses"] if snapshot else self.initial_losses(),
                restoring_force=config.restoring_force,
                learning_rate=config.task_weight_learning_rate,
            )
        if config.loss_balancing == "random":
            step = snapshot.values["step"] if snapshot else 0
            return RandomWeights(len(self.names), seed=config.seed, step=step)
        if config.loss_balancing == "fixed" and snapshot is None:
            return FixedWeights(self.initial_losses(), power=config.fixed_weight_power)
        return EqualWeights(len(self.names))

    def initial_losses(self) -> Tensor:
        """Return L_t(0), [T], on the first rows of each training set (their order is seeded)."""
        count = self.config.initial_loss_rows
        return torch.tensor(
            self._measured(lambda task: mean_loss(self.model, task.head(count)), self.train_sets)
        )

    def advance(self) -> float:
        step = self.state.step
        examples = [(self.train_sets[task], int(row)) for task, row in self.table[step]]
        set_learning_rate(self.optimizer, step, self.config)
        self._set_temperature(step)
        self.optimizer.zero_grad(set_to_none=True)
        weights = self.balancer.weights
        result = accumulate_gradients(self.model, examples, weights, self.processes)
        loss = float(result.losses.mean())
        if not torch.isfinite(result.losses).all():
            raise ConfigError(
                f"the loss must stay finite, got {loss} at step {step}. Lower "
                "train.prompt_learning_rate or train.head_learning_rate in params.yaml."
            )
        tensors = list(self.named.values())
        norm = torch.nn.utils.clip_grad_norm_(tensors, self.config.gradient_clip)
        if not torch.isfinite(norm):
            raise ConfigError(
                f"the gradient must stay finite, got a norm of {float(norm)} at step {step} with "
                f"the loss {loss}. Lower the learning rates of train in params.yaml, or, with "
                "backbone.precision bf16, use fp32."
            )
        self.optimizer.step()
        self.balancer.update(result.task_ids, result.losses, result.gradient_norms)
        self.state.step += 1
        self._record(result)
        return loss

    def measure(self) -> float | None:
        """Score the dev rows when it is time, and keep the best weights."""
        step, config = self.state.step, self.config
        if step % config.eval_every_steps and step != config.max_steps:
            return None
        scores = self._measured(lambda task: quick_score(self.model, task), self.dev_sets)
        mean = sum(scores) / len(scores)
        rows = zip([*self.names, "all"], [*scores, mean], strict=True)
        self.state.history += [(step, name, "dev_score", value) for name, value in rows]
        if mean > self.state.best_score:
            self.state.best_score, self.state.best_step = mean, step
            self.state.best = {name: t.detach().clone() for name, t in self.named.items()}
        return mean

    def finish(self, resumed_at: int | None, problems: list[str]) -> TrainResult:
        state = self.state
        with torch.no_grad():
            for name, tensor in self.named.items():
                tensor.copy_(state.best[name])
        final = {name: value for _, name, quantity, value in state.history if quantity == "loss"}
        return TrainResult(
            num_steps=state.step,
            best_step=state.best_step,
            best_dev_score=state.best_score,
            is_stopped_early=state.step < self.config.max_steps,
            examples_seen=state.step * self.config.batch_size,
            task_weights=dict(zip(self.names, self.balancer.weights.tolist(), strict=True)),
            final_losses={name: final[name] for name in self.names if name in final},
            history=state.history,
            resumed_at=resumed_at,
            problems=problems,
        )

    def _measured(
        self, measure: Callable[[TaskExamples], float], sets: Sequence[TaskExamples]
    ) -> list[float]:
        return self.processes.measure(measure, sets, self.model.backbone.device)

    def _set_temperature(self, step: int) -> None:
        front_end, settings = self.model.front_end, self.model.config
        if settings.temperature_mode == "annealed" and isinstance(front_end, FrontEnd):
            front_end.scheduler.temperature = annealed_temperature(
                step, self.config.max_steps, settings
            )

    def _record(self, result: StepResult) -> None:
        state = self.state
        for task_id, loss in zip(result.task_ids.tolist(), result.losses.tolist(), strict=True):
            pending = state.pending.setdefault(self.names[task_id], [0.0, 0])
            pending[0] += loss
            pending[1] += 1
        last = state.step == self.config.max_steps
        if state.step % self.config.log_every_steps and not last:
            return
        for name, (total, count) in sorted(state.pending.items()):
            state.history.append((state.step, name, "loss", total / count))
        state.pending = {}
        weights = zip(self.names, self.balancer.weights.tolist(), strict=True)
        state.history += [(state.step, name, "task_weight", value) for name, value in weights]
        if isinstance(self.model.front_end, FrontEnd):
            state.history += front_end_rows(self.model.front_end, self.names, state.step)
