from pipeline.bench.scale import ScalePlan, bench_scale

PLAN = ScalePlan(task_counts=(2, 20), pool_sizes=(1, 6), repeats=2, max_train_rows=8)


def test_time_and_memory_are_compared_over_registered_tasks_and_pools(
    tiny_gym, settings, in_this_process
):
    result = bench_scale(tiny_gym, settings, PLAN)
    assert result["tasks_in_batches"] == ["mood", "topic"]
    assert result["tasks_order"] == ["2", "20"] * 2
    assert result["step_time_ratio_20_to_2"] > 0
    assert result["step_time_ratio_pool_6_to_1"] > 0
    assert result["tasks_memory_growth_mb"].keys() == {"20"}
    for axis, small, large in (("tasks", "2", "20"), ("pool", "1", "6")):
        assert result[f"{axis}_trainable_mb"][large] > result[f"{axis}_trainable_mb"][small]
        assert result[f"{axis}_training_peak_mb"][small] > 100  # an interpreter with torch
