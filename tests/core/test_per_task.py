import pytest
import torch

from dpf_core.batching import collate
from dpf_core.errors import ConfigError
from dpf_core.evaluation.metrics import accuracy, macro_f1
from dpf_core.evaluation.per_task import (
    candidate_texts,
    mean_loss,
    predict,
    quick_score,
    score_task,
)
from tests import tiny


@pytest.mark.parametrize(
    "method", ["dpf", "shared_prompt", "single_task", "mpt", "heads_only", "full_finetune"]
)
@pytest.mark.parametrize("task", [0, 1, 2])
def test_predictions_and_loss_are_those_of_the_models_own_forward(world, method, task):
    model = world.model(method=method)
    batch, labels = collate(world.rows(task))
    logits = model(batch)
    examples = world.train_sets[task]
    chosen = logits.argmax(dim=1).tolist()
    assert predict(model, examples) == candidate_texts(model, examples, chosen)
    expected = torch.nn.functional.cross_entropy(logits, labels).detach()
    assert mean_loss(model, examples) == pytest.approx(float(expected), rel=1e-5)


def test_the_size_of_micro_batches_does_not_change_predictions_and_loss(world):
    model = world.model(prompted_depth=2)
    predictions, loss = predict(model, world.train_sets[2]), mean_loss(model, world.train_sets[2])
    model.backbone = tiny.backbone(world.backbone.directory, batch_tokens=64)
    assert predict(model, world.train_sets[2].head(99)) == predictions
    assert mean_loss(model, world.train_sets[2]) == pytest.approx(loss, rel=1e-5)


def test_predicting_leaves_no_gradient_and_no_inference_tensor_behind(world):
    model = world.model()
    predict(model, world.train_sets[0])
    assert not any(p.is_inference() or p.grad is not None for p in model.parameters())


def test_the_scores_of_a_task_are_its_metrics_over_answer_texts(world):
    model, examples = world.model(), world.train_sets[2]
    labels = world.specs[2].labels
    answers = [labels[i] for i in examples.label_ids]
    predictions = predict(model, examples)
    found = score_task(model, examples, 2)
    assert found.accuracy == accuracy(predictions, answers)
    assert found.score == found.macro_f1 == macro_f1(predictions, answers)
    assert found.majority_score == macro_f1(["tool"] * len(answers), answers)
    assert (found.num_test_rows, found.truncated_rows) == (len(answers), 0)
    assert quick_score(model, examples) == found.score


def test_always_choosing_a_position_scores_the_options_that_stand_there(world):
    """The third option is the majority; rows with two options give their last one."""
    found = score_task(world.model(), world.train_sets[1], 2)
    examples = world.train_sets[1]
    last = [label == len(c) - 1 for label, c in zip(
        examples.label_ids, examples.candidates, strict=True)]  # fmt: skip
    assert found.majority_score == pytest.approx(sum(last) / len(last))


def test_a_model_that_is_always_right_scores_1(world, monkeypatch):
    examples = world.train_sets[1]
    monkeypatch.setattr(
        "dpf_core.evaluation.per_task.predict",
        lambda model, _: candidate_texts(model, examples, examples.label_ids),
    )
    found = score_task(world.model(), examples, 0)
    assert (found.score, found.accuracy, found.macro_f1) == (1, 1, 1)


@pytest.mark.parametrize("measure", [predict, mean_loss, quick_score])
def test_a_model_whose_numbers_are_not_finite_chooses_nothing(world, measure):
    model = world.model()
    with torch.no_grad():
        model.front_end.pool.prompts.fill_(float("nan"))
    with pytest.raises(
        ConfigError, match=r"logits of a row must be numbers, .*nan.* row \d of topic"
    ):
        measure(model, world.train_sets[2])
