import dataclasses

import pytest

from pipeline.science.environment import Environment
from pipeline.science.keys import (
    cell_key,
    code_hash,
    data_key,
    digest,
    method_setup,
    source_key,
)
from pipeline.science.layout import Layout
from pipeline.science.records import read_cells
from pipeline.science.settings import PARAMS
from pipeline.science.settings_file import load_science
from pipeline.science.status import current_cells
from tests.pipeline.science.small_science import DPF, JOINT, place, write_params

HERE = Environment(backbone_sha256="weights", torch="2")


def setup_of(project, name="dpf", environment=HERE, source="key"):
    settings = load_science(project.params)
    method = settings.methods[name]
    return method_setup(settings, method, method.sweep[0], environment, source)


@pytest.mark.parametrize(
    "changes",
    [
        {"model__prompt_length": 4}, {"model__gate_mode": "none"}, {"model__scheduler_top_k": 2},
        {"adaptation__max_steps": 5}, {"backbone__max_length": 15},
        {"runtime__num_threads": 2}, {"gain__num_resamples": 6},
        {"sources__dpf__train": {"seed": 1}},
        {"methods__dpf__sweep": [JOINT]},
        {"methods__dpf__sweep": [{**DPF, "prompt_learning_rate": 0.02}]},
        {"gym__sources": ["sound", "topic"]}, {"source_training__max_steps": 5},
    ],
)  # fmt: skip
def test_whatever_can_change_a_score_changes_the_key(project, backbone_folder, changes):
    before = digest(setup_of(project))
    write_params(project, backbone_folder, **changes)
    assert digest(setup_of(project)) != before


@pytest.mark.parametrize(
    "changes",
    [
        {"gym__targets": ["pick", "mood"]}, {"gym__seeds": [13]}, {"gain__floor": 0.1},
        {"tuning__seed": 21}, {"methods__spot__model": {"method": "single_task"}},
        {"methods__dpf__sweep": [DPF, JOINT]}, {"source_training__checkpoint_every_steps": 3},
        {"source_training__log_every_steps": 3},
    ],
)  # fmt: skip
def test_what_changes_no_score_of_a_cell_leaves_its_key(project, backbone_folder, changes):
    before = digest(setup_of(project))
    write_params(project, backbone_folder, **changes)
    assert digest(setup_of(project)) == before


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("single_task", {"model__pool_size": 5, "model__temperature": 0.5}),
        ("single_task", {"model__attention_size": 5}),
        ("heads_only", {"model__prompt_length": 2, "model__gate_bias": 0.0}),
        ("dpf", {"model__attention_temperature": 1.0}),
    ],
)
def test_a_setting_that_a_method_does_not_read_leaves_its_key(
    project, backbone_folder, name, changes
):
    before = setup_of(project, name)
    write_params(project, backbone_folder, **changes)
    assert setup_of(project, name) == before
    assert setup_of(project, "single_task")["adapt"] is None


@pytest.mark.parametrize("changes", [{"torch": "3"}, {"backbone_sha256": "others"}])
def test_weights_and_torch_are_part_of_a_key(project, changes):
    other = dataclasses.replace(HERE, **changes)
    assert digest(setup_of(project, environment=other)) != digest(setup_of(project))


def test_another_source_model_makes_another_key_of_what_starts_from_one_alone(project):
    assert digest(setup_of(project, source="b")) != digest(setup_of(project))
    keys = {digest(setup_of(project, "single_task", source=source)) for source in ("a", "b")}
    assert len(keys) == 1


def test_rows_and_seed_are_part_of_a_cells_key(project):
    gym = place(project).gym
    assert len({data_key(gym, task, 13) for task in ("mood", "pick")}) == 2
    assert len({cell_key({}, data, seed) for data in "ab" for seed in (13, 21)}) == 4


def test_what_a_label_says_is_part_of_the_rows_key(project):
    gym = place(project).gym
    task = dataclasses.replace(gym.task("mood"), label_texts={"sad": "gloomy"})
    tasks = tuple(task if old.name == "mood" else old for old in gym.manifest.tasks)
    other = dataclasses.replace(gym, manifest=dataclasses.replace(gym.manifest, tasks=tasks))
    assert data_key(other, "mood", 13) != data_key(gym, "mood", 13)


def test_a_source_model_has_another_key_for_other_steps_rows_or_weights(project, backbone_folder):
    here = place(project)
    keys = {source_key(here.settings, "dpf", HERE, here.gym)}
    keys.add(source_key(here.settings, "single_task", HERE, here.gym))
    keys.add(source_key(here.settings, "dpf", dataclasses.replace(HERE, torch="3"), here.gym))
    write_params(project, backbone_folder, source_training__max_steps=6)
    keys.add(source_key(load_science(project.params), "dpf", HERE, here.gym))
    assert len(keys) == 4


def test_the_code_has_a_hash(project):
    assert len(code_hash()) == 16


@pytest.mark.parametrize("path", sorted(Layout().cells("dpf").parent.glob("*.json")), ids=str)
def test_every_cell_in_git_follows_from_the_settings_and_the_code_as_they_are(path):
    recorded = read_cells(path)
    assert recorded.cells.keys()
    settings = load_science(PARAMS)
    assert current_cells(settings, Layout(), path.stem) == recorded
    lines = [line for line in path.read_text().splitlines() if '"score"' in line]
    assert len(lines) == len(recorded.cells)  # none was dropped for its key
