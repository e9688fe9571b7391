from pipeline.bench.data import bench_data
from pipeline.params import load_section
from pipeline.validation_config import ValidateConfig


def test_rows_are_validated_and_tokenised_and_building_is_left_out_without_a_mirror(
    tiny_gym, backbone_folder
):
    config = ValidateConfig.from_section(load_section("validate"))
    result = bench_data(tiny_gym, None, config, backbone=str(backbone_folder), repeats=2)
    assert result["order"] == ["validate", "tokenise"] * 2
    assert result["rows"]["tokenise"] == 34
    assert result["rows"]["validate"] >= 34
    assert result["tokenise_seconds_per_10000_rows"] > 0
    assert result["build_seconds_per_10000_rows"] is None
    assert result["build_skipped_reason"] == "no --mirror to build from"
