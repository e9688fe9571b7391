import pytest

from dpf_core.errors import ConfigError, GymError
from dpf_core.gym.sources import MirrorSource, absent_files, open_source


def test_files_are_named_by_their_place_in_the_mirror(make_spec, mirror):
    spec = make_spec(source={"id": "glue", "config": "sst2"})
    assert list(MirrorSource(mirror).files(spec)) == [
        "glue/sst2/train.parquet",
        "glue/sst2/validation.parquet",
    ]
    assert absent_files(MirrorSource(mirror), spec) == tuple(MirrorSource(mirror).files(spec))
    assert absent_files(MirrorSource(mirror), make_spec()) == ()


def test_a_missing_column_is_named_with_those_present(make_spec, mirror, put):
    put("train", {"txt": ["a"], "label": [0]})
    with pytest.raises(GymError, match=r"column 'text', got txt, label\. Did you mean 'txt'\?"):
        list(MirrorSource(mirror).rows(make_spec(), "train"))


@pytest.mark.parametrize("cut", [0, 4, 200])
def test_a_parquet_file_cut_short_is_refused(make_spec, mirror, put, cut):
    path = put("train", {"text": ["a"] * 50, "label": [0] * 50})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(GymError, match=r"split 'train': reviews/default/train\.parquet must be"):
        list(MirrorSource(mirror).rows(make_spec(), "train"))


def test_a_parquet_file_whose_column_has_a_damaged_name_is_refused(make_spec, mirror, put):
    path = put("train", {"text": ["a"], "label": [0]})
    path.write_bytes(path.read_bytes().replace(b"text", b"t\x80xt"))
    with pytest.raises(GymError, match=r"train\.parquet must be a complete parquet file .*0x80"):
        list(MirrorSource(mirror).rows(make_spec(), "train"))


def test_an_absent_file_is_named(make_spec, mirror):
    with pytest.raises(GymError, match=r"split 'gone': reviews/default/gone\.parquet must be"):
        list(MirrorSource(mirror).rows(make_spec(), "gone"))


@pytest.mark.parametrize(
    ("name", "folder", "message"),
    [
        ("miror", None, "got 'miror'. Did you mean 'mirror'?"),
        ("hub", "nowhere", "must be an existing folder, got"),
        ("mirror", None, "the source mirror must have a folder, got none"),
        ("mirror", "nowhere", "must be an existing folder, got"),
    ],
)
def test_a_source_that_cannot_be_opened_is_refused(tmp_path, name, folder, message):
    with pytest.raises(ConfigError) as caught:
        open_source(name, mirror_dir=folder and tmp_path / folder)
    assert message in str(caught.value)
