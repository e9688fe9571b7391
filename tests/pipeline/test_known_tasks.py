import json

import pytest

from pipeline.known_tasks import known_tasks

PARAMS = "ingest: {{source: starter, mirror_dir: null, tasks: {tasks}, jobs: 1}}\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "data/gym").mkdir(parents=True)
    (tmp_path / "data/gym/manifest.json").write_text(json.dumps({"tasks": [{"name": "built"}]}))
    return tmp_path


def test_the_parameters_say_which_tasks_come_next(root):
    (root / "params.yaml").write_text(PARAMS.format(tasks="[one, two]"))
    assert known_tasks(root) == {"one", "two"}


def test_the_word_all_is_the_sources_whole_catalogue(root):
    (root / "params.yaml").write_text(PARAMS.format(tasks="all"))
    assert len(known_tasks(root)) >= 10


def test_kinds_are_the_catalogues_tasks_of_these_kinds(root):
    (root / "params.yaml").write_text(PARAMS.format(tasks="all"))
    every = known_tasks(root)
    (root / "params.yaml").write_text(PARAMS.format(tasks="[multiple_choice]"))
    assert {"trivia", "geography_questions"} == known_tasks(root) < every


def test_an_own_task_comes_on_top(root):
    (root / "params.yaml").write_text(PARAMS.format(tasks="[one]"))
    (root / "data/incoming/mine").mkdir(parents=True)
    for file in ("task.yaml", "train.tsv"):
        (root / "data/incoming/mine" / file).write_text("x\n")
    assert known_tasks(root) == {"one", "mine"}


def test_wrong_parameters_leave_the_tasks_that_were_built(root):
    (root / "params.yaml").write_text("ingest: {sauce: starter}\n")
    assert known_tasks(root) == {"built"}


@pytest.mark.parametrize("text", [None, "{", "[]", '{"tasks": 3}'])
def test_neither_wrong_parameters_nor_a_damaged_gym_hide_ones_own_tasks(root, text):
    (root / "params.yaml").write_text("ingest: [")
    manifest = root / "data/gym/manifest.json"
    manifest.unlink() if text is None else manifest.write_text(text)
    (root / "data/incoming/mine").mkdir(parents=True)
    for file in ("task.yaml", "train.tsv"):
        (root / "data/incoming/mine" / file).write_text("x\n")
    assert known_tasks(root) == {"mine"}
