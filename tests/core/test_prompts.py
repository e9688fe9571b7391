import pytest
import torch

from dpf_core.errors import ShapeError
from dpf_core.prompts import PromptPool, sample_vocabulary

TABLE = torch.randn(30, 8, generator=torch.Generator().manual_seed(1))


def sample(seed=0):
    return sample_vocabulary(TABLE, 5, 3, torch.Generator().manual_seed(seed))


def test_the_combined_prompt_is_the_weighted_sum_of_the_pool():
    prompts, mixing = torch.randn(3, 2, 4, 8), torch.tensor([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
    combined = PromptPool(prompts)(mixing)
    expected = prompts[0] * 0.5 + prompts[1] * 0.25 + prompts[2] * 0.25
    torch.testing.assert_close(combined[0], expected)
    torch.testing.assert_close(combined[1], prompts[1])


@pytest.mark.parametrize("shape", [(3, 4, 8), (1, 3, 2, 4, 8)])
def test_a_pool_without_four_axes_is_refused_with_its_shape(shape):
    with pytest.raises(ShapeError, match=rf"\[K, D, P, H\], got \({shape[0]}, {shape[1]}"):
        PromptPool(torch.zeros(shape))


def test_the_pool_does_not_share_memory_with_its_start_values():
    start = torch.zeros(2, 1, 1, 4)
    pool = PromptPool(start)
    start.fill_(7.0)
    assert not pool.prompts.any()


def test_every_vector_starts_as_a_word_of_the_vocabulary():
    prompts = sample()
    assert prompts.shape == (5, 3, 8)
    words = set(map(tuple, TABLE.tolist()))
    assert set(map(tuple, prompts.reshape(-1, 8).tolist())) <= words


def test_the_start_depends_on_the_generator_alone():
    torch.manual_seed(1)
    first = sample()
    torch.manual_seed(2)
    assert torch.equal(first, sample())
    assert not torch.equal(first, sample(seed=1))


def test_a_bf16_vocabulary_gives_fp32_prompts():
    prompts = sample_vocabulary(TABLE.bfloat16(), 2, 3, torch.Generator())
    assert prompts.dtype == torch.float32
