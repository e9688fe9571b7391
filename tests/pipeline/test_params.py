import pytest

from dpf_core.config import (
    SECTIONS,
    BackboneConfig,
    ModelConfig,
    RuntimeConfig,
    TrainConfig,
)
from dpf_core.errors import ConfigError
from pipeline.params import load_config, load_params, load_section, parse_overrides


@pytest.fixture
def params(tmp_path):
    def write(text):
        (tmp_path / "params.yaml").write_text(text)
        return tmp_path / "params.yaml"

    return write


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("train: [1, 2\nmodel: {a: b\n", "line 1"),
        ("", "NoneType"),
        ("- train\n", "list"),
        ("train: {}\ntrain: {}\n", "'train' stands twice"),
        ("trian: {}\n", "Did you mean 'train'?"),
    ],
)
def test_a_parameters_file_that_means_nothing_is_refused_in_one_line(params, text, says):
    with pytest.raises(ConfigError) as raised:
        load_params(params(text))
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("train: {}", "must have a section 'model', got sections train"),
        ("model: [1]", "'model' of"),
        ("model: {temprature: 1}", "Did you mean 'temperature'?"),
    ],
)
def test_a_section_that_is_absent_or_wrong_is_named(params, text, says):
    with pytest.raises(ConfigError) as raised:
        load_config(ModelConfig, params(text))
    assert says in str(raised.value)


@pytest.mark.parametrize(
    "word", ["train.max_steps=[1", "train.max_steps=!!python/name:os.x 1", "x"]
)
def test_an_override_that_cannot_be_read_is_refused_with_its_word(word):
    with pytest.raises(ConfigError) as raised:
        parse_overrides([word], TrainConfig)
    assert repr(word) in str(raised.value)


def test_an_override_of_a_section_that_the_command_does_not_read_is_refused():
    with pytest.raises(ConfigError, match=r"section of backbone, got 'model.pool_size=7'"):
        parse_overrides(["model.pool_size=7"], BackboneConfig)


def test_an_override_is_read_as_yaml():
    assert parse_overrides(["train.max_steps=5"], TrainConfig) == {"train": {"max_steps": 5}}


def test_a_number_as_dvc_writes_it_is_a_number(params):
    path = params("train: {backbone_learning_rate: 1e-05}\n")
    assert load_section("train", path) == {"backbone_learning_rate": 1e-5}
    assert load_section("train", params("train: {a: 9e44f64c, b: 1e-3x}\n")) == {
        "a": "9e44f64c", "b": "1e-3x",
    }  # fmt: skip
    assert parse_overrides(["train.weight_decay=5e-2"], TrainConfig) == {
        "train": {"weight_decay": 0.05}
    }


@pytest.mark.parametrize("cls", SECTIONS)
def test_the_example_of_a_refusal_is_one_that_works(cls):
    with pytest.raises(ConfigError, match=r"For instance: --set \S+\.$") as raised:
        parse_overrides(["nothing=1"], RuntimeConfig, cls)
    example = str(raised.value).split("--set ")[-1].removesuffix(".")
    assert load_config(cls, overrides=parse_overrides([example], cls)) == load_config(cls)
