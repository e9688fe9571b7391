import pytest
import torch

from dpf_core.baselines import MultitaskPrompts, TaskPrompts
from dpf_core.config import TrainConfig
from dpf_core.errors import ConfigError
from dpf_core.training.loop import train
from dpf_core.training.step import accumulate_gradients
from tests import tiny


def test_every_task_starts_from_the_same_prompt_of_its_own(world):
    prompts = world.model(method="single_task", prompted_depth=2).front_end.prompts
    assert prompts.shape == (3, 2, 3, 16)
    assert torch.equal(prompts[0], prompts[1])
    assert torch.equal(prompts[0], prompts[2])
    with torch.no_grad():
        prompts[0] += 1
    assert not torch.equal(prompts[0], prompts[1])


def test_a_task_has_the_prompt_of_its_id():
    prompts = torch.randn(5, 1, 2, 8)
    assert torch.equal(TaskPrompts(prompts)(torch.tensor([4, 0, 4])), prompts[[4, 0, 4]])


def test_a_tasks_gradient_is_the_one_that_it_has_alone(world):
    rows = [(task, row) for task, row in world.rows() if row < 5]
    together = world.model(method="single_task")
    accumulate_gradients(together, rows, torch.ones(3))
    for task in range(3):
        alone = world.model(method="single_task")
        mine = [(examples, row) for examples, row in rows if examples.task_id == task]
        accumulate_gradients(alone, mine, torch.ones(3))
        gradients = [model.front_end.prompts.grad for model in (together, alone)]
        torch.testing.assert_close(gradients[0][task], gradients[1][task])
        others = [other for other in range(3) if other != task]
        assert not gradients[1][others].any()


def test_factors_start_at_one_and_every_task_from_the_shared_prompt(world):
    front_end = world.model(method="mpt", prompted_depth=2).front_end
    prompts = front_end(torch.arange(3))
    assert prompts.shape == (3, 2, 3, 16)
    assert all(torch.equal(prompt, front_end.prompt) for prompt in prompts)
    shared = world.model(method="shared_prompt", prompted_depth=2).front_end.prompt
    assert torch.equal(front_end.prompt, shared)


def test_a_tasks_prompt_is_the_shared_one_times_a_factor_of_rank_one():
    front_end = MultitaskPrompts(torch.randn(2, 3, 8), num_tasks=4)
    with torch.no_grad():
        front_end.position_factors.normal_()
        front_end.hidden_factors.normal_()
    found = front_end(torch.tensor([3, 1]))
    for row, task in enumerate((3, 1)):
        for depth in range(2):
            u, v = front_end.position_factors[task, depth], front_end.hidden_factors[task, depth]
            expected = front_end.prompt[depth] * torch.outer(u[:, 0], v[0])
            torch.testing.assert_close(found[row, depth], expected)


@pytest.mark.parametrize("method", ["single_task", "heads_only", "full_finetune"])
def test_gradnorm_is_refused_where_the_tasks_share_no_prompt(world, method):
    config = tiny.config(TrainConfig, loss_balancing="gradnorm")
    with pytest.raises(
        ConfigError, match=rf"must be equal, random or fixed where model.method is {method}"
    ):
        train(world.model(method=method), world.train_sets, world.dev_sets, config)
