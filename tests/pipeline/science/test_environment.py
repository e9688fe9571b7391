import dataclasses
import shutil

import pytest
import torch

from dpf_core.config import BackboneConfig
from dpf_core.errors import ConfigError
from dpf_core.files import read_json, write_json
from pipeline.science.environment import NOWHERE, Environment
from pipeline.science.keys import digest, shared_setup
from pipeline.science.layout import Layout
from pipeline.science.one_cell import compare, describe
from pipeline.science.running import cell_jobs, run_cells
from pipeline.science.settings_file import load_science
from tests.pipeline.science.small_science import place, write_params
from tests.pipeline.science.test_transfer import fill

OTHERS = {"transformers": "6.0", "tokenizers": "1.0", "cpu_capability": "AVX512"}


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


@pytest.mark.parametrize("name", OTHERS)
def test_other_libraries_or_instructions_are_another_setup_and_the_first_ones_stand_in_none(
    project, name
):
    settings = load_science(project.params)
    other = dataclasses.replace(NOWHERE, **{name: OTHERS[name]})
    first, second = (shared_setup(settings, environment) for environment in (NOWHERE, other))
    assert second == first | {name: OTHERS[name]}
    assert digest(first) != digest(second)
    assert (Environment.of(first), Environment.of(second)) == (NOWHERE, other)


def test_cells_of_other_instructions_of_the_processor_are_not_put_beside_the_recorded_ones(
    project, monkeypatch
):
    fill(project, heads_only=0.5)
    path, lost = project.cells("heads_only"), ("mood", "13")
    record = read_json(path)
    del record["cells"][lost[0]][lost[1]]
    write_json(path, record)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "SVE256")
    with pytest.raises(ConfigError, match=r"got 3 of other cpu_capability"):
        run_cells(place(project), ["heads_only"], num_processes=1)
    assert read_json(path) == record


def test_the_processor_beside_a_gpu_is_in_no_key(project, monkeypatch):
    settings = load_science(project.params)
    on_gpu = dataclasses.replace(
        settings, runtime=dataclasses.replace(settings.runtime, device="cuda")
    )
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "SVE256")
    assert Environment.here(settings).since_changed["cpu_capability"] == "SVE256"
    assert "cpu_capability" not in Environment.here(on_gpu).since_changed


def test_a_cell_that_starts_from_sources_can_be_tried_again_on_another_processor(
    project, monkeypatch
):
    fill(project, dpf=0.5)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "SVE256")
    result = compare(place(project), "dpf", "mood", 13)
    assert (result["recorded_score"], result["is_same_setup"]) == (0.5, False)
    assert "of other settings, rows, weights, libraries or kind of processor" in describe(result)
