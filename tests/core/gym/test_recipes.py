import os

import pytest

from dpf_core.gym import recipes
from dpf_core.gym.build import build_gym
from dpf_core.gym.reader import load_manifest
from dpf_core.gym.recipes import EarlierGym, recipes_path
from dpf_core.gym.sources import MirrorSource


@pytest.fixture
def build(make_spec, mirror, put, tmp_path):
    """Build tasks `a` and `b` of two sources and return how each came about."""
    put("train", {"text": list("klmnopqrst"), "label": [0, 1] * 5}, "films/default")
    put("validation", {"text": ["u", "v"], "label": [0, 1]}, "films/default")

    def build(**changes):
        how = {}
        specs = [make_spec("a"), make_spec("b", **{"source": {"id": "films"}} | changes)]
        gym = tmp_path / "gym"
        build_gym(
            MirrorSource(mirror), specs, gym, watch=lambda done: how.update({done.name: done.how})
        )
        return how

    return build


def test_a_second_build_takes_every_task_over_with_the_same_bytes(build, tmp_path):
    assert build() == {"a": "built", "b": "built"}
    before = {path: path.read_bytes() for path in tmp_path.rglob("gym/**/*") if path.is_file()}
    assert build() == {"a": "reused", "b": "reused"}
    assert {path: path.read_bytes() for path in before} == before
    assert (tmp_path / "gym/a/a_2_13_dev.tsv").stat().st_nlink == 1


def test_a_changed_specification_rebuilds_its_task_alone(build):
    build()
    assert build(input="{text}!") == {"a": "reused", "b": "built"}


def test_a_changed_source_file_rebuilds_its_task_alone(build, put):
    build()
    put("validation", {"text": ["w"], "label": [1]}, "films/default")
    assert build() == {"a": "reused", "b": "built"}


def test_changed_code_rebuilds_every_task(build, monkeypatch):
    build()
    monkeypatch.setattr(recipes, "code_hash", lambda: "another")
    assert build() == {"a": "built", "b": "built"}


def test_a_damaged_file_rebuilds_its_task_alone(build, tmp_path):
    build()
    (tmp_path / "gym/b/b_2_21_dev.tsv").write_text("x\tbad\n")
    assert build() == {"a": "reused", "b": "built"}


def test_a_gym_that_was_exchanged_for_another_is_not_trusted(build, tmp_path):
    build(input="{text}!")
    other = recipes_path(tmp_path / "gym").read_bytes()
    build()
    recipes_path(tmp_path / "gym").write_bytes(other)
    assert build(input="{text}!") == {"a": "reused", "b": "built"}


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": "dpf-recipes/1", "tasks": 3}'])
def test_unreadable_recipes_rebuild_every_task(build, tmp_path, content):
    build()
    recipes_path(tmp_path / "gym").write_bytes(content)
    assert build() == {"a": "built", "b": "built"}


def test_files_are_copied_where_a_disk_has_no_hard_links(build, tmp_path, monkeypatch):
    build()

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert build() == {"a": "reused", "b": "reused"}
    assert load_manifest(tmp_path / "gym").task("a").rows.full_train == 10


def test_a_folder_without_a_gym_has_nothing_to_take(tmp_path):
    assert EarlierGym.open(tmp_path).recipes == {}
