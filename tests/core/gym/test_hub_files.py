import pytest

from dpf_core.gym import hub_files


@pytest.mark.parametrize(
    ("glob", "meant"),
    [
        ("train*.parquet", {"train.parquet"}),
        ("**/train*", {"train.parquet", "more/train.parquet"}),
        ("**", {"train.parquet", "more/train.parquet", "train_more/extra.parquet"}),
        ("train_more/*", {"train_more/extra.parquet"}),
        ("./train.parquet", {"train.parquet"}),
        ("README.md", {"README.md"}),
        ("data/*", set()),
    ],
)
def test_a_pattern_means_what_it_means_on_the_hub(glob, meant):
    paths = ["train.parquet", "more/train.parquet", "train_more/extra.parquet"]
    paths += ["README.md", ".gitattributes", "data/.hidden.parquet", "data/__pycache__/x.parquet"]
    assert {path for path in paths if hub_files._matches(path, glob)} == meant
