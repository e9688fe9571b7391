from pathlib import Path

import pytest
import yaml

from dpf_core.errors import ConfigError
from dpf_core.files import read_json
from pipeline.science.layout import CONFIGURATIONS, STUDIES, Layout
from pipeline.science.settings import PARAMS
from pipeline.science.settings_file import load_science
from pipeline.science.stages import configuration
from pipeline.science.stages import study as study_stage
from pipeline.science.studies import variant
from pipeline.science.studies_file import load_studies
from tests.pipeline.science.small_science import JOINT, params, write_studies

MANY_SOURCES, MMLU, LONG_SOURCES = (
    PARAMS.parent / CONFIGURATIONS / f"{name}.yaml"
    for name in ("many_sources", "mmlu", "long_sources")
)


def load(layout, **changes):
    write_studies(layout, **changes)
    settings = load_science(layout.params)
    return load_studies(layout.study_params, settings), settings


def points(**found):
    """Return changes of the temperature study, which has a default besides."""
    return {"studies__temperature__points": {"0.9": {}, **found}}


def test_the_projects_own_studies_can_all_be_run():
    studies = load_studies(STUDIES, load_science(PARAMS))
    assert all(len(study.targets) >= 5 for study in studies.studies.values())
    assert len(studies.seeds) == 3
    assert studies.studies.keys() >= {
        "temperature", "pool_size", "prompt_length", "prompted_depth", "gate", "scheduler",
        "loss_weights",
    }  # fmt: skip


@pytest.mark.parametrize("path", [MANY_SOURCES, MMLU], ids=lambda path: path.stem)
def test_a_configuration_with_studies_has_the_tables_other_settings(path):
    mine, table = (yaml.safe_load(file.read_text()) for file in (path, PARAMS))
    for part in ("runtime", "backbone", "model", "adaptation", "gain"):
        assert mine[part] == table[part]
    assert mine["source_training"] | {"max_steps": 600} == table["source_training"]
    for method in mine["methods"]:
        sweep, record = table["methods"][method]["sweep"], Layout().tuning_record(method)
        assert mine["methods"][method]["sweep"] == [sweep[read_json(record)["chosen"]]]


def test_longer_training_on_the_sources_is_the_tables_but_for_its_steps():
    mine, table = (yaml.safe_load(path.read_text()) for path in (LONG_SOURCES, PARAMS))
    assert mine["source_training"] == table["source_training"] | {"max_steps": 2400}
    left_out = {name for name, method in table["methods"].items() if method["source"] is None}
    for name in left_out - {mine["gain"]["baseline"]}:
        del table["methods"][name]
    assert mine | {"source_training": {}} == table | {"source_training": {}}


def test_more_sources_than_the_table_has_are_the_tables_and_more():
    more, table = (load_science(path).gym.sources for path in (MANY_SOURCES, PARAMS))
    assert set(more) > set(table)


def trained(layout, study):
    """Return what shapes the source model of each point, and the model that adapts."""
    settings = load_science(layout.params)
    studies = load_studies(layout.study_params, settings)
    found = [variant(settings, studies, point) for point in studies.study(study).points]
    return [(one.sources["dpf"], one.methods["dpf"].model, one.gym.sources) for one in found]


def test_the_gate_on_mmlu_has_the_source_models_of_the_gate_study():
    assert trained(Layout.below(Path(), MMLU), "gate_mmlu") == trained(Layout(), "gate")


@pytest.mark.parametrize("named", [[], ["gate", "scheduler"]], ids=" ".join)
def test_the_stage_of_a_study_refuses_none_and_several(named, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["study", *named])
    assert study_stage.main() == 1
    assert f"one study of {STUDIES}, got {' '.join(named) or 'none'}" in capsys.readouterr().err


@pytest.mark.parametrize("named", [[], ["long_sources"], ["mmlu", "many_sources"]], ids=" ".join)
def test_the_stage_refuses_what_is_no_configuration_with_studies(named, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["configuration", *named])
    assert configuration.main() == 1
    said = capsys.readouterr().err
    assert (
        f"one of many_sources, mmlu, which have studies of their own, got {' '.join(named)}" in said
    )


def test_equal_examples_of_each_task_are_equal():
    layout = Layout.below(Path(), MANY_SOURCES)
    settings = load_science(layout.params)
    studies = load_studies(layout.study_params, settings)
    found = [
        variant(settings, studies, point)
        for point in studies.study("num_tasks_fixed_per_task").points
    ]
    steps = {one.sources["dpf"].train.max_steps / len(one.gym.sources) for one in found}
    assert steps == {10}


def test_a_point_changes_source_and_method_alike_and_nothing_else(studied):
    studies, settings = load(studied)
    found = variant(settings, studies, studies.study("temperature").points[0])
    assert found.sources["dpf"].model.temperature == 0.1
    assert found.methods["dpf"].model.temperature == 0.1
    assert found.sources["single_task"] == settings.sources["single_task"]
    assert (found.gym, found.backbone, found.gain) == (
        settings.gym,
        settings.backbone,
        settings.gain,
    )


def test_every_point_has_the_training_of_the_file(studied):
    studies, settings = load(studied)
    for study in studies.studies.values():
        for point in study.points:
            assert variant(settings, studies, point).sources["dpf"].train.max_steps == 3


def test_fewer_source_tasks_are_the_first_of_the_order_in_the_order_of_the_table(studied):
    studies, settings = load(studied, **points(**{"1": {"num_sources": 1}}))
    found = variant(settings, studies, studies.study("temperature").points[1])
    assert found.gym.sources == ("sound",)
    assert found.gym.targets == settings.gym.targets


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"method": "dfp"}, r"method in .*studies.yaml must be one of .* got 'dfp'. Did you mean"),
        ({"method": "heads_only"}, "must start from a source model, got heads_only"),
        ({"method": 3}, "method of .*studies.yaml must be str, got 3"),
        (
            {"targets": ["topic"]},
            "targets in .* must be one of mood, pick, got 'topic'",
        ),
        (
            {"studies__weights__targets": ["topic"]},
            "targets of the study weights in .* must be one of mood, pick, got 'topic'",
        ),
        ({"studies__weights__targets": []}, "targets of the study weights .* at least one once"),
        ({"studies__weights__targets": "mood"}, "targets of the study weights .* got 'mood'"),
        ({"targets": []}, "targets in .* at least one once, got"),
        ({"targets": ["mood", "mood"]}, "targets in .* at least one once, got"),
        ({"seeds": [7]}, "seeds in .* must be one of 13, 21, got 7"),
        ({"source_order": ["sound"]}, "must name every source task .* once, got sound"),
        (
            {"source_order": [], **points(**{"1": {"num_sources": 1}})},
            "must name every source task .* once, got nothing",
        ),
        ({"source_training": {"max_step": 3}}, "got 'max_step'. Did you mean 'max_steps'"),
        ({"source_training": {"max_steps": 0}}, "got 0 .* It is in source_training of .*studies"),
        ({"source_training": None}, "source_training in .* must be a mapping, got None"),
        ({"ablations": {}}, "a part of .*studies.yaml must be one of .*got 'ablations'"),
        ({"studies": {}}, "must name at least one, got none"),
        ({"studies": {"A B": {}}}, "a name in studies of .* got 'A B'"),
        ({"studies__weights": {"title": "x", "kind": "bars"}}, "got no points"),
        (
            {"studies__weights__kind": "line"},
            "kind of the study weights .* bars, got 'line'",
        ),
        (points(nan={"model": {"pool_size": 2}}), "must be numbers, got 'nan' .*kind: bars"),
        ({"studies__weights__kind": "curve"}, "must be numbers, got 'equal' .*kind: bars"),
        ({"studies__weights__points": {"equal": {}, "one": {}}}, "got equal, one"),
        ({"studies__weights__points": {"a": {"model": {"pool_size": 2}}}}, "got none. Write"),
        ({"studies__weights__points": {"../a": {}}}, "got '../a': a file is named after it"),
        ({"studies__weights__points": {0.9: {}}}, "in quotes, got 0.9"),
        (points(**{"1": {"models": {}}}), "a part of the point 1 .*got 'models'. Did you mean"),
        (points(**{"1": {"model": {"method": "mpt"}}}), "must not replace 'method', got 'mpt'"),
        (points(**{"1": {"model": {"temp": 3}}}), "got 'temp'.* of the point 1 of the study"),
        (points(**{"1": {"model": {"pool_size": 0}}}), "got 0 .*of the point 1 of the study temp"),
        (points(**{"1": {"model": {"temperature": 0.9}}}), "got 0.9 and 1 of the same model"),
        (points(**{"1": {"model": {"attention_size": 8}}}), "got 0.9 and 1 of the same model"),
        (points(**{"1": {"num_sources": 2}}), r"num_sources must be in \[1, 2\), got 2"),
        (points(**{"1": {"num_sources": 0}}), r"num_sources must be in \[1, 2\), got 0"),
        (points(**{"1": {"num_sources": "1"}}), "num_sources of the point 1 .* must be int"),
    ],
)
def test_what_is_wrong_is_refused_in_a_sentence_that_names_it(studied, changes, says):
    with pytest.raises(ConfigError, match=says):
        load(studied, **changes)


def test_a_missing_file_is_one_sentence(project):
    with pytest.raises(ConfigError, match=r"absent.yaml"):
        load_studies(Path("absent.yaml"), load_science(project.params))


def test_another_challenger_of_the_table_leaves_studies_as_they_are(studied, backbone_folder):
    before = load(studied)[0]
    values = params(backbone_folder, gain__challenger="dpf_joint")
    values["methods"]["dpf_joint"] = {**values["methods"]["dpf"], "sweep": [JOINT]}
    studied.params.write_text(yaml.safe_dump(values))
    assert load(studied)[0] == before
