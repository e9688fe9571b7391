import pytest

from pipeline import cli
from pipeline.bench.gradnorm import GradNormPlan, bench_gradnorm

FIRST = ["equal_weights", "gradnorm"]
THEN = ["separate_backwards", "separate_passes", "gradnorm"]


@pytest.fixture
def result(tiny_gym, settings):
    return bench_gradnorm(tiny_gym, settings, GradNormPlan(repeats=2, max_train_rows=8))


def test_the_price_of_gradnorm_is_measured_in_turns_and_its_norms_are_exact(result):
    assert result["order"] == FIRST * 2 + THEN * 2
    assert result["max_relative_norm_difference"] < 1e-4
    for other in ("equal_weights", "separate_backwards", "separate_passes"):
        assert result[f"ratio_vs_{other}"] > 0
        assert result[f"cpu_ratio_vs_{other}"] > 0
    assert (result["num_tasks"], result["batch_size"], result["prompt_length"]) == (2, 4, 3)


def test_too_few_repeats_are_refused_before_anything_is_read(capsys):
    assert cli.main(["bench", "gradnorm", "--gym", "nowhere", "--repeats", "4"]) == 1
    assert "--repeats must be >= 5, got 4" in capsys.readouterr().err
