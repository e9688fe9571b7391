import dataclasses
import shutil

import pytest

from dpf_core.config import BackboneConfig
from dpf_core.files import read_json, write_json
from pipeline.science.environment import NOWHERE, Environment
from pipeline.science.keys import digest, shared_setup
from pipeline.science.layout import Layout
from pipeline.science.running import cell_jobs
from pipeline.science.settings_file import load_science
from tests.pipeline.science.small_science import place, write_params
from tests.pipeline.science.test_transfer import fill

VERSIONS = {"transformers": "6.0", "tokenizers": "1.0"}


@pytest.mark.parametrize("changes", [{"model_type": "electra"}, {"hidden_act": "relu"}], ids=str)
def test_another_configuration_of_the_same_weights_is_another_environment(
    project, backbone_folder, tmp_path, changes
):
    before = Environment.here(load_science(project.params))
    folder = shutil.copytree(backbone_folder, tmp_path / "other")
    write_params(project, folder)
    assert Environment.here(load_science(project.params)) == before  # wherever it lies
    write_json(folder / "config.json", read_json(folder / "config.json") | changes)
    assert Environment.here(load_science(project.params)) != before


def test_another_tokenizer_makes_every_cell_a_missing_one(project, backbone_folder, tmp_path):
    folder = shutil.copytree(backbone_folder, tmp_path / "other")
    write_params(project, folder)
    fill(project, heads_only=0.5)
    path = folder / "tokenizer.json"
    content = read_json(path)
    vocabulary = content["model"]["vocab"]
    names = list(vocabulary)
    content["model"]["vocab"] = dict(zip(names, reversed(list(vocabulary.values())), strict=True))
    write_json(path, content)
    with pytest.raises(Exception, match="got one of other rows, weights or another source"):
        cell_jobs(place(project), "heads_only")


def test_the_bundled_backbone_is_named_by_its_weights_as_in_the_first_results():
    recorded = read_json(Layout().source_record("dpf"))["environment"]["backbone_sha256"]
    found = Environment.here(dataclasses.replace(load_science(Layout().params)))
    assert load_science(Layout().params).backbone.name == BackboneConfig().name
    assert found.backbone_sha256 == recorded


@pytest.mark.parametrize("name", VERSIONS)
def test_other_libraries_are_another_setup_and_the_first_ones_stand_in_none(project, name):
    settings = load_science(project.params)
    other = dataclasses.replace(NOWHERE, **{name: VERSIONS[name]})
    first, second = (shared_setup(settings, environment) for environment in (NOWHERE, other))
    assert second == first | {name: VERSIONS[name]}
    assert digest(first) != digest(second)
    assert (Environment.of(first), Environment.of(second)) == (NOWHERE, other)
