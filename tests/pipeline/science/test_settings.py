from pathlib import Path

import pytest
import yaml

from dpf_core.errors import ConfigError
from pipeline.science.settings import PARAMS
from pipeline.science.settings_file import load_science
from tests.pipeline.science.small_science import DPF, JOINT, RATES, params


def load(tmp_path, **changes):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params(tmp_path, **changes)))
    return load_science(path)


def test_the_projects_own_settings_are_whole():
    settings = load_science(PARAMS)
    assert len(settings.gym.targets) >= 20
    assert len(settings.gym.seeds) == 5
    assert settings.methods.keys() >= {
        "dpf", "single_task", "shared_prompt", "spot", "attempt", "mpt", "heads_only",
        "full_finetune_multitask", "full_finetune_direct",
    }  # fmt: skip
    assert {len(method.sweep) <= 6 for method in settings.methods.values()} == {True}


def test_a_point_of_a_sweep_replaces_what_adaptation_says(tmp_path):
    point = {**RATES, "max_steps": 7}
    method = load(tmp_path, methods__single_task__sweep=[point, RATES]).methods["single_task"]
    assert [found.train.max_steps for found in method.sweep] == [7, 4]
    assert method.sweep[0].result_changing["max_steps"] == 7


def test_what_cannot_change_a_result_is_no_part_of_it(tmp_path):
    point = load(tmp_path).methods["heads_only"].sweep[0]
    assert {"head_learning_rate", "max_steps"} <= point.result_changing.keys()
    assert not {"seed", "dev_rows", "prompt_learning_rate"} & point.result_changing.keys()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"gym__sources": ["topic", "mood"]}, "must be different ones, got mood as both"),
        ({"gym__targets": ["mood", "mood"]}, "got mood twice"),
        ({"gym__targets": []}, "got none"),
        ({"gym__seeds": [13, 13]}, "got 13 twice"),
        ({"gym__max_leak_fraction": -0.1}, "max_leak_fraction .* must be >= 0, got -0.1"),
        ({"methods__dpf__source": "dfp"}, r"got 'dfp'. Did you mean 'dpf'\?"),
        ({"methods__dpf__sweep": []}, "must be a list of points"),
        ({"methods__dpf__sweep": [RATES]}, "must name .*, got no mode"),
        (
            {"methods__dpf__sweep": [{**DPF, "mode": "joint"}]},
            "must name .*, got no gate_learning_rate",
        ),
        (
            {"methods__dpf__sweep": [{**JOINT, "mode": "private"}]},
            "without effect, got 'gate_learning_rate'",
        ),
        ({"methods__heads_only__sweep": [RATES]}, "without effect, got 'prompt_learning_rate'"),
        ({"methods__single_task__sweep": [DPF]}, "without effect, got 'mode'"),
        ({"methods__single_task__sweep": [{**RATES, "seed": 3}]}, "without effect, got 'seed'"),
        ({"methods__single_task__sweep": [{**RATES, "steps": 3}]}, "got 'steps'"),
        ({"methods__dpf__sweep": [DPF] * 3}, "at most as many points as the baseline's, 2, got 3"),
        ({"methods__spot__retrieves": False}, "retrieves must be true where"),
        ({"methods__dpf__retrieves": True}, "retrieves must be true where"),
        ({"methods__dpf__retrieves": "yes"}, "must be true or false"),
        ({"methods__dpf__note": "new"}, "exactly source, retrieves, model, sweep"),
        ({"methods": {}}, "must name at least one"),
        ({"sources__mpt__teacher__source": "dpf"}, "teacher of sources.mpt .* got 'dpf'"),
        ({"sources__mpt__teacher__source": "mpt"}, "teacher of sources.mpt .* got 'mpt'"),
        ({"sources__mpt__teacher__wait": 1}, "got 'wait'"),
        ({"sources__dpf__train": {"max_step": 3}}, r"got 'max_step'. Did you mean 'max_steps'\?"),
        ({"model__method": "dpf"}, "without effect, got 'method'"),
        ({"model__prompt_length": 0}, "prompt_length must be >= 1, got 0"),
        ({"adaptation__dev_rows": 3}, "without effect, got 'dev_rows'"),
        ({"tuning__targets": ["topic"]}, "must be one of mood, pick, got 'topic'"),
        ({"tuning__seed": 7}, "tuning.seed .* got 7"),
        ({"gain__baseline": "dfp"}, "gain.baseline .* got 'dfp'"),
        ({"gain__num_draws": 0}, "gain.num_draws .* must be >= 1, got 0"),
        ({"runtime__num_threads": 0}, "runtime.num_threads .* must be >= 1, got 0"),
        ({"ablations": {}}, "a section of .* got 'ablations'"),
        ({"methods__dpf__source": "mpt"}, "starts from must be dpf, got mpt.*methods.dpf"),
        ({"methods__dpf__source": None}, "starts from must be dpf, got none.*methods.dpf"),
        ({"methods__dpf__source": ["dpf"]}, r"must be a name or null, got \['dpf'\]"),
        ({"methods__heads_only__source": "dpf"}, "heads_only starts from must be none, got dpf"),
        ({"methods__spot__source": "dpf"}, "single_task starts from must be single_task, got dpf"),
        (
            {"methods__dpf__model": {"method": "dpf", "pool_size": 5}},
            "pool_size .* must be 4 as of its source, got 5.*the source of methods.dpf",
        ),
        (
            {"sources__single_task__model": {"method": "single_task", "prompt_length": 2}},
            "prompt_length .* must be 2 as of its source, got 3.*the source of methods.spot",
        ),
        ({"sources__dpf__model": {"method": "attempt"}}, "any but attempt, got it .*sources.dpf"),
        ({"sources__mpt__teacher__weight": 0.0}, "weight must be > 0, got 0.0 .*sources.mpt"),
        ({"sources__mpt__teacher__weight": float("nan")}, "weight of .* must be finite, got nan"),
        (
            {"sources__single_task__train": {"loss_balancing": "gradnorm"}},
            "loss_balancing must be equal .* the method single_task .*sources.single_task",
        ),
        ({"backbone__precision": "bf16"}, "must be fp32 .* got bf16 and None .*full_finetune"),
        ({"backbone__quantization": "int8"}, "null .* got fp32 and int8 .*sources.full_finetune"),
        ({"tuning__targets": []}, "tuning.targets .* got none"),
        ({"tuning__targets": ["mood", "mood"]}, "tuning.targets .* got mood twice"),
        ({"methods__single_task__sweep": [RATES, RATES]}, "must be different ones, got .* twice"),
        (
            {"methods__single_task__sweep": [RATES, {**RATES, "max_steps": 4}]},
            "must be different ones, got .*'max_steps': 4",
        ),
        ({"gain__floor": 0.0}, "gain.floor .* must be > 0, got 0.0"),
        ({"gain__draw_seed": -1}, "gain.draw_seed .* must be >= 0, got -1"),
        (
            {"gym__max_leak_fraction": float("nan")},
            "max_leak_fraction of .* finite, got nan",
        ),
        ({"methods": {"../dpf": {}}}, "a name in methods .* got '../dpf'"),
        ({"methods": {"D-P F": {}}}, "a name in methods .* got 'D-P F'"),
        ({"sources": {1: {}}}, "a name in sources .* got 1"),
        ({"sources__dpf__train": None}, "train of sources.dpf .* mapping of settings, got None"),
        ({"sources__dpf__model": None}, "model of sources.dpf .* mapping of settings, got None"),
        ({"sources__dpf": None}, "sources.dpf .* mapping of exactly .*, got None"),
        ({"methods__dpf": None}, "methods.dpf .* mapping of exactly .*, got None"),
        ({"methods__dpf__model": None}, "model of methods.dpf .* mapping of settings, got None"),
        ({"methods__dpf__sweep": [None]}, "a point of the sweep .* mapping of settings, got None"),
    ],
)
def test_a_wrong_setting_is_refused_in_a_sentence_that_names_it(tmp_path, changes, says):
    with pytest.raises(ConfigError, match=says):
        load(tmp_path, **changes)


@pytest.mark.parametrize("section", params(Path()))
@pytest.mark.parametrize("value", [None, ["dpf"], 3])
def test_a_section_that_is_no_mapping_is_refused(tmp_path, section, value):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params(tmp_path) | {section: value}))
    with pytest.raises(ConfigError, match=f"{section} in .*params.yaml must be a mapping"):
        load_science(path)


def test_gradnorm_serves_the_sources_whose_tasks_share_prompts(tmp_path):
    source = load(tmp_path, sources__mpt__train={"loss_balancing": "gradnorm"}).sources["mpt"]
    assert source.train.loss_balancing == "gradnorm"


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("glue-rte", "superglue-rte"), ("cos_e", "commonsense_qa"), ("trec-finegrained", "trec"),
        ("race-high", "race-middle"), ("glue-sst2", "rotten_tomatoes"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("turned", [False, True])
def test_tasks_of_the_same_rows_are_not_source_and_target(tmp_path, source, target, turned):
    pair = (target, source) if turned else (source, target)
    changes = {"gym__sources": [pair[0]], "gym__targets": [pair[1], "mood"]}
    with pytest.raises(ConfigError, match=f"got the source '{pair[0]}' for the target '{pair[1]}'"):
        load(tmp_path, **changes)


def test_a_missing_section_is_named(tmp_path):
    values = params(tmp_path)
    del values["tuning"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match="got no 'tuning'"):
        load_science(tmp_path / "params.yaml")


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"params.yaml"):
        load_science(tmp_path / "params.yaml")
