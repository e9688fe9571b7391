"""Our training and the peer's, in turns on the same rows, each going on where it stopped."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from dpf_core.backbone.frozen import Backbone
from dpf_core.config import Precision, TrainConfig
from dpf_core.examples import TaskExamples
from pipeline.bench.clock import Stopwatch, Turns
from pipeline.bench.gemm import gemm_gflops, wait_for
from pipeline.bench.ours import (
    Examples,
    OwnTraining,
    batches,
    count_padded_tokens,
    count_tokens,
    encode_all,
    held_out_quality,
    new_model,
)
from pipeline.bench.peft_peer import PeftPeer
from pipeline.bench.settings import BenchSettings
from pipeline.bench.workload import Workload, hash_row_ids

OURS, PEFT = "ours", "peft"


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """Loss and accuracy on held-out rows, before and after training."""

    initial_loss: float
    final_loss: float
    accuracy: float


@dataclass(frozen=True, kw_only=True, slots=True)
class DuelResult:
    """One duel: what each side took and learned."""

    turns: Turns
    tokens: list[int]
    """Real tokens of each turn."""
    padding_factor: float
    """Positions of the peer's batches, padded to their longest, over real tokens."""
    gemm_gflops: list[float]
    """Measured before each turn, in our precision."""
    row_hashes: dict[str, str]
    quality: dict[str, Quality]


@dataclass(slots=True)
class _Duel:
    """The peer's Trainer holds the loop; between its turns it lets us take ours."""

    own: OwnTraining
    batches: Sequence[Examples]
    turn_steps: int
    settings: BenchSettings
    gemm_sizes: tuple[int, ...]
    turns: Turns = field(default_factory=lambda: Turns.empty(OURS, PEFT))
    gemm: list[float] = field(default_factory=list)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    trained: list[Examples] = field(default_factory=list)
    """Our batches as they were trained."""

    def on_step(self, done: int) -> None:
        turn, rest = divmod(done, self.turn_steps)
        if rest:
            return
        wait_for(self.settings.device)
        if turn > 1:  # the first is the warm-up
            self.turns.note(PEFT, self.stopwatch)
        if done < len(self.batches):
            self._ours(turn)
        self.stopwatch = Stopwatch()

    def _ours(self, turn: int) -> None:
        rate = gemm_gflops(self.settings.precision, self.settings.device, self.gemm_sizes)
        torch.use_deterministic_algorithms(mode=True)  # as `dpf train` does, and the peer does not
        first = turn * self.turn_steps
        stopwatch = Stopwatch()
        for examples in self.batches[first : first + self.turn_steps]:
            self.own.advance(examples)
            self.trained.append(examples)
        wait_for(self.settings.device)
        if turn:
            self.gemm.append(rate)
            self.turns.note(OURS, stopwatch)
        torch.use_deterministic_algorithms(mode=False)


def duel(
    workload: Workload,
    backbone: Backbone,
    settings: BenchSettings,
    peer_precision: Precision,
    *,
    turn_steps: int,
    gemm_sizes: tuple[int, ...],
) -> DuelResult:
    """Train both sides on all batches, A B A B, and return what each took and learned.

    Args:
        workload: Batches; those of the first turn warm up.
        backbone: Of our side.
        settings: Shared by both sides.
        peer_precision: Of the peer.
        turn_steps: Steps of a turn.
        gemm_sizes: Sides of the matrices that give the machine's limit.
    """
    torch.set_num_threads(settings.num_threads)
    train_sets = encode_all(workload.train_rows, workload.tasks, backbone)
    held_out = encode_all(workload.held_out_rows, workload.tasks, backbone)
    model = new_model(backbone, workload.tasks, settings)
    config = TrainConfig(max_steps=workload.num_steps, batch_size=workload.batch_size)
    peer = PeftPeer(workload, settings, peer_precision)
    steps = batches(workload, train_sets)
    before = held_out_quality(model, held_out), peer.held_out_quality()
    fight = _Duel(OwnTraining(model, train_sets, config), steps, turn_steps, settings, gemm_sizes)
    peer.train(fight.on_step)
    after = held_out_quality(model, held_out), peer.held_out_quality()
    own_rows = [row for examples in fight.trained for row in _row_ids(workload, examples)]
    tokens = [count_tokens(examples, settings.prompt_length) for examples in steps]
    padded = sum(count_padded_tokens(examples, settings.prompt_length) for examples in steps)
    return DuelResult(
        turns=fight.turns,
        tokens=[sum(tokens[i : i + turn_steps]) for i in range(turn_steps, len(steps), turn_steps)],
        padding_factor=padded / sum(tokens),
        gemm_gflops=fight.gemm,
        row_hashes={OURS: hash_row_ids(own_rows), PEFT: hash_row_ids(peer.trained_rows)},
        quality={
            side: Quality(initial_loss=first[0], final_loss=last[0], accuracy=last[1])
            for side, first, last in zip((OURS, PEFT), before, after, strict=True)
        },
    )


def _row_ids(workload: Workload, examples: Sequence[tuple[TaskExamples, int]]) -> list[str]:
    return [workload.row_id(task.task_id, row) for task, row in examples]
