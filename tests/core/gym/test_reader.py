import json

import pytest

from dpf_core.errors import GymError
from dpf_core.gym.build import build_gym
from dpf_core.gym.manifest import is_gym
from dpf_core.gym.reader import load_manifest, read_split, split_path
from dpf_core.gym.sources import MirrorSource


@pytest.fixture
def gym(make_spec, mirror, tmp_path):
    build_gym(MirrorSource(mirror), [make_spec()], tmp_path / "gym")
    return tmp_path / "gym"


def test_a_folder_without_manifest_is_refused(tmp_path):
    with pytest.raises(GymError, match=r"a gym must have a readable manifest\.json"):
        load_manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda value: value.update(format="dpf-gym/9"),
            "format must be 'dpf-gym/1', got 'dpf-gym/9'",
        ),
        (lambda value: value.update(tasks=[]), "must have at least one task, got none"),
        (lambda value: value["tasks"].append(value["tasks"][0]), "got 'reviews' twice"),
        (lambda value: value["tasks"][0].update(name="../x"), r"got '../x'"),
        (lambda value: value["tasks"][0].pop("metric"), "task 'reviews': TaskRecord must have"),
        (lambda value: value["tasks"][0].update(rows=3), "a mapping must stand here, got 3"),
        (lambda value: value["tasks"][0].update(shots="2"), "shots must be int, got '2'"),
        (lambda value: value["tasks"][0].update(label_texts=None), "label_texts must be dict"),
        (lambda value: value["tasks"][0].update(labels=[1, 2]), "labels must be tuple[str"),
        (lambda value: value["tasks"][0]["rows"].update(train=None), "train must be dict"),
    ],
)
def test_a_damaged_manifest_is_refused(gym, change, message):
    value = json.loads((gym / "manifest.json").read_text())
    change(value)
    (gym / "manifest.json").write_text(json.dumps(value))
    with pytest.raises(GymError) as caught:
        load_manifest(gym)
    assert message in str(caught.value)


def test_a_task_that_the_gym_lacks_is_refused_with_the_nearest_name(gym):
    with pytest.raises(GymError, match=r"got 'review'\. Did you mean 'reviews'\?"):
        load_manifest(gym).task("review")


@pytest.mark.parametrize(("split", "seed"), [("dev", None), ("train", 7), ("validation", 13)])
def test_a_split_or_seed_without_file_is_refused(gym, split, seed):
    with pytest.raises(GymError, match=f"got '{split}' with seed {seed}"):
        split_path(gym, load_manifest(gym).task("reviews"), split, seed)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda gym: None, True),
        (lambda gym: (gym / ".DS_Store").write_bytes(b"x"), True),
        (lambda gym: (gym / "manifest.json").write_text("{"), True),
        (lambda gym: (gym / "manifest.json").write_text('{"format": "dpf-gym/0"}'), True),
        (lambda gym: (gym / "manifest.json").write_text('{"name": "my web app"}'), False),
        (lambda gym: (gym / "manifest.json").unlink(), False),
        (lambda gym: (gym / "thesis.txt").write_text("years of work"), False),
        (lambda gym: (gym / "reviews" / "thesis.txt").write_text("years of work"), False),
        (lambda gym: (gym / ".git").mkdir(), True),
    ],
)
def test_a_gym_and_nothing_else_is_known_by_its_files(gym, change, expected):
    change(gym)
    assert is_gym(gym) == expected


def test_a_file_that_was_cut_at_a_line_end_is_refused(gym):
    record = load_manifest(gym).task("reviews")
    path = split_path(gym, record, "full_train")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(
        GymError, match=f"must have {len(lines)} readable rows .* got {len(lines) - 1}"
    ):
        read_split(gym, record, "full_train")
