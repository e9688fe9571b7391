from pipeline.bench.serve import bench_serve


def test_onnx_and_torch_serve_the_same_batches_in_turns(tiny_gym, settings):
    result = bench_serve(tiny_gym, settings, repeats=2)
    assert result["order"] == ["onnx_front_end", "torch_front_end", "torch_answer"] * 2
    assert result["ratio_onnx_vs_torch"] > 0
    assert 0 < result["front_end_share_of_answer"] < 1
    for side in ("onnx_front_end", "torch_front_end", "torch_answer"):
        assert result[f"rows_per_second_{side}"] > 0
