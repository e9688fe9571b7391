import pytest
import torch

from dpf_core.config import TrainConfig
from dpf_core.errors import CheckpointError, ConfigError
from dpf_core.training.checkpoint import CheckpointStore
from dpf_core.training.loop import train
from tests import tiny
from tests.properties import changed, copy_tensors

RATES = ("prompt_learning_rate", "head_learning_rate")
RUNS = {
    "gradnorm": ({"prompted_depth": 2}, {"loss_balancing": "gradnorm"}),
    "stopped early": ({}, {"patience": 1} | dict.fromkeys(RATES, 1e-9)),
    "equal weights": ({"method": "shared_prompt"}, {"loss_balancing": "equal"}),
    "random weights": ({}, {"loss_balancing": "random"}),
    "fixed weights": ({}, {"loss_balancing": "fixed", "fixed_weight_power": 0.5}),
    "heads only": ({"method": "heads_only"}, {"loss_balancing": "equal"}),
    "full fine-tuning": ({"method": "full_finetune"}, {"loss_balancing": "equal"}),
    "factors": ({"method": "mpt"}, {"loss_balancing": "gradnorm"}),
    "a prompt a task": ({"method": "single_task"}, {"loss_balancing": "equal"}),
}
"""What differs from the tiny settings: 11 steps, a checkpoint every 4, a dev score and a row of the
history every 3, so that a checkpoint falls between rows."""


class KilledError(Exception):
    pass


def run(world, kind="gradnorm", *, store=None, killed_at=None, **changes):
    """Train a fresh model; return its tensors and the result."""
    model_changes, train_changes = RUNS[kind]
    model = world.model(**model_changes)

    def on_step(progress):
        if progress.step == killed_at:
            raise KilledError

    config = tiny.config(TrainConfig, **train_changes | changes)
    result = train(
        model, world.train_sets, world.dev_sets, config, checkpoints=store, on_step=on_step
    )
    return copy_tensors(model), result


@pytest.fixture(scope="module")
def uninterrupted(world):
    return {kind: run(world, kind) for kind in RUNS}


def assert_same_run(found, expected):
    assert found[0].keys() == expected[0].keys()
    assert [name for name in found[0] if not torch.equal(found[0][name], expected[0][name])] == []
    for field in ("num_steps", "best_step", "best_dev_score", "is_stopped_early", "examples_seen",
                  "task_weights", "final_losses", "history"):  # fmt: skip
        assert getattr(found[1], field) == getattr(expected[1], field), field


def kill(world, kind, store, step):
    with pytest.raises(KilledError):
        run(world, kind, store=store, killed_at=step)


@pytest.mark.parametrize("kind", RUNS)
def test_two_runs_give_the_same_bits(world, uninterrupted, kind):
    assert_same_run(run(world, kind), uninterrupted[kind])


@pytest.mark.parametrize(("killed_at", "resumed_at"), [(1, None), (4, 4), (7, 4), (8, 8), (11, 8)])
def test_a_killed_and_resumed_run_gives_the_bits_of_an_uninterrupted_one(
    world, uninterrupted, tmp_path, killed_at, resumed_at
):
    store = CheckpointStore(tmp_path)
    kill(world, "gradnorm", store, killed_at)
    found = run(world, store=store)
    assert found[1].resumed_at == resumed_at
    assert_same_run(found, uninterrupted["gradnorm"])


@pytest.mark.parametrize(
    ("kind", "killed_at"),
    [
        ("stopped early", 5),
        ("stopped early", 6),
        ("equal weights", 6),
        ("random weights", 6),
        ("heads only", 9),
        ("a prompt a task", 6),
        ("full fine-tuning", 6),
        ("factors", 6),
    ],
)
def test_resuming_is_exact_for_every_kind_of_run(world, uninterrupted, tmp_path, kind, killed_at):
    store = CheckpointStore(tmp_path)
    kill(world, kind, store, killed_at)
    found = run(world, kind, store=store)
    assert found[1].resumed_at is not None
    assert_same_run(found, uninterrupted[kind])


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(
    world, uninterrupted, tmp_path
):
    for step in (5, 6, 9, 10):
        kill(world, "gradnorm", CheckpointStore(tmp_path), step)
    found = run(world, store=CheckpointStore(tmp_path))
    assert_same_run(found, uninterrupted["gradnorm"])


def test_a_run_that_is_out_of_patience_at_its_checkpoint_stops_there_again(world, tmp_path):
    changes = {"kind": "stopped early", "checkpoint_every_steps": 6}
    store, expected = CheckpointStore(tmp_path), run(world, **changes)
    with pytest.raises(KilledError):
        run(world, **changes, store=store, killed_at=6)
    found = run(world, **changes, store=store)
    assert found[1].resumed_at == found[1].num_steps == 6
    assert_same_run(found, expected)


def test_a_damaged_newest_checkpoint_costs_steps_but_no_bit_and_is_reported(
    world, uninterrupted, tmp_path
):
    store = CheckpointStore(tmp_path)
    kill(world, "gradnorm", store, 10)
    (tmp_path / "step-000008" / "state.safetensors").write_bytes(b"cut")
    found = run(world, store=store)
    assert found[1].resumed_at == 4
    assert "step-000008" in found[1].problems[0]
    assert_same_run(found, uninterrupted["gradnorm"])


def test_training_lowers_the_loss_of_every_task(world):
    history = run(world, max_steps=60, eval_every_steps=30)[1].history
    for name in ("mood", "pick", "topic"):
        losses = [value for _, *key, value in history if key == [name, "loss"]]
        assert sum(losses[-5:]) < sum(losses[:5])


def test_early_stopping_ends_after_patience_measurements_without_a_better_score(uninterrupted):
    result = uninterrupted["stopped early"][1]
    assert (result.best_step, result.num_steps, result.is_stopped_early) == (3, 6, True)


def test_the_model_is_left_at_the_first_of_its_best_dev_scores(world):
    model, seen = world.model(), {}

    def on_step(progress):
        if progress.dev_score is not None:
            seen[progress.step] = progress.dev_score, copy_tensors(model)

    config = tiny.config(TrainConfig, max_steps=30)
    result = train(model, world.train_sets, world.dev_sets, config, on_step=on_step)
    best = max(score for score, _ in seen.values())
    assert result.best_dev_score == best
    assert result.best_step == next(step for step, (score, _) in seen.items() if score == best)
    assert result.best_step < 30
    assert changed(seen[result.best_step][1], model) == set()


def test_the_dev_score_of_all_tasks_is_the_mean_of_theirs(uninterrupted):
    rows = [row for row in uninterrupted["gradnorm"][1].history if row[2] == "dev_score"]
    assert [row[1] for row in rows[:4]] == ["mood", "pick", "topic", "all"]
    assert rows[3][3] == pytest.approx(sum(row[3] for row in rows[:3]) / 3)


def test_the_last_step_is_measured_even_between_intervals(uninterrupted):
    steps = {row[0] for row in uninterrupted["gradnorm"][1].history if row[2] == "dev_score"}
    assert steps == {3, 6, 9, 11}


def test_the_history_names_these_quantities(uninterrupted):
    quantities = {row[2] for row in uninterrupted["gradnorm"][1].history}
    assert quantities == {"dev_score", "gate_mean", "loss", "mixing_entropy", "task_weight"}


def test_a_run_shorter_than_the_logging_interval_still_records_its_last_step(world):
    short = tiny.config(TrainConfig, max_steps=2, log_every_steps=10)
    result = train(world.model(), world.train_sets, world.dev_sets, short)
    assert {row[0] for row in result.history if row[2] == "loss"} == {2}
    assert set(result.final_losses) == {spec.name for spec in world.specs}


def test_training_changes_no_bit_of_the_backbone_and_every_trainable_tensor(world):
    model = world.model(prompted_depth=2)
    before, frozen = copy_tensors(model), copy_tensors(model.backbone)
    train(model, world.train_sets, world.dev_sets, tiny.config(TrainConfig))
    assert changed(frozen, model.backbone) == set()
    assert changed(before, model) == set(model.trainable_parameters())


def test_gradnorm_moves_the_task_weights_and_equal_weights_stay(uninterrupted):
    weights = list(uninterrupted["gradnorm"][1].task_weights.values())
    assert sum(weights) == pytest.approx(3)
    assert len(set(weights)) == 3
    assert set(uninterrupted["equal weights"][1].task_weights.values()) == {1.0}


def test_progress_is_told_after_every_step(world):
    told = []
    config = tiny.config(TrainConfig, max_steps=4)
    train(world.model(), world.train_sets, world.dev_sets, config, on_step=told.append)
    assert [p.step for p in told] == [1, 2, 3, 4]
    assert [p.dev_score is None for p in told] == [True, True, False, False]


def test_a_diverging_run_is_refused_with_its_step(world):
    with pytest.raises(ConfigError, match=r"loss must stay finite, got nan at step \d"):
        run(world, "equal weights", **dict.fromkeys(RATES, 3e37))


def test_a_gradient_that_is_not_finite_is_refused_and_changes_nothing(world):
    model = world.model()
    before = copy_tensors(model)
    tensor = model.front_end.pool.prompts
    tensor.register_hook(lambda gradient: gradient * float("nan"))
    config = tiny.config(TrainConfig, max_steps=1)
    with pytest.raises(ConfigError, match="the gradient must stay finite, got a norm of nan at st"):
        train(model, world.train_sets, world.dev_sets, config)
    assert changed(before, model) == set()


def test_weights_that_are_not_finite_after_the_last_step_are_refused(world, monkeypatch):
    model = world.model()

    def step(self):
        model.front_end.pool.prompts.data.fill_(float("inf"))

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    config = tiny.config(TrainConfig, max_steps=1)
    with pytest.raises(ConfigError, match="logits of a row must be numbers"):
        train(model, world.train_sets, world.dev_sets, config)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda tensors: tensors.pop("parameter.front_end.pool.prompts"), "got no tensor"),
        (lambda tensors: tensors.update({"parameter.extra": torch.ones(2)}), "of no tensor"),
        (lambda tensors: tensors.update({"balancer.weights": torch.ones(2)}), r"\[3\] .*got \[2\]"),
        (
            lambda tensors: tensors.update({"parameter.heads.offsets": torch.ones(1, 1)}),
            r"heads.offsets .*got \[1, 1\]",
        ),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(world, tmp_path, change, where):
    store = CheckpointStore(tmp_path)
    kill(world, "gradnorm", store, 5)
    snapshot, _ = store.load_latest()
    change(snapshot.tensors)
    store.save(4, snapshot)
    with pytest.raises(CheckpointError, match=where):
        run(world, store=store)
