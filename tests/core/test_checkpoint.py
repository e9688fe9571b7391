import json

import pytest
import torch

from dpf_core.errors import CheckpointError
from dpf_core.training.checkpoint import CheckpointStore, Snapshot

VALUES = {"step": 4, "score": 1 / 3, "history": [[2, "mood", "loss", 0.1]], "best": None}


def snapshot(number=0.0):
    tensors = {
        "weights": torch.full((3, 2), 1 / 3) + number,
        "transposed": torch.randn(2, 5).T,
        "step": torch.tensor(number),
        "special": torch.tensor([float("inf"), -0.0, float("nan"), 1e-42]),
        "empty": torch.empty(0, 4),
    }
    return Snapshot(tensors, VALUES | {"number": number})


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(tmp_path / "run")


def names(store):
    return sorted(path.name for path in store.folder.iterdir())


def flip(path, position=-1):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_a_checkpoint_comes_back_with_the_same_bits(store):
    saved = snapshot(7.0)
    store.save(4, saved)
    loaded, problems = store.load_latest()
    assert loaded.values == saved.values
    assert loaded.tensors.keys() == saved.tensors.keys()
    for name, tensor in saved.tensors.items():
        bits = [t.contiguous().view(torch.int32) for t in (loaded.tensors[name], tensor)]
        assert torch.equal(*bits), name
    assert problems == []


def test_without_checkpoints_there_is_nothing_to_load(store):
    assert store.load_latest() == (None, [])


def test_the_newest_two_checkpoints_stay(store):
    for step in (5, 50, 100):
        store.save(step, snapshot(float(step)))
    assert names(store) == ["step-000050", "step-000100"]
    assert store.load_latest()[0].values["number"] == 100


def test_a_step_can_be_saved_again(store):
    for number in (1.0, 2.0):
        store.save(4, snapshot(number))
    assert names(store) == ["step-000004"]
    assert store.load_latest()[0].values["number"] == 2


DAMAGE = {
    "a flipped bit in a tensor": lambda f: flip(f / "state.safetensors"),
    "a flipped bit in the tensors' header": lambda f: flip(f / "state.safetensors", 0),
    "truncated tensors": lambda f: (f / "state.safetensors").write_bytes(b"\x08"),
    "no tensors": lambda f: (f / "state.safetensors").unlink(),
    "no values": lambda f: (f / "state.json").unlink(),
    "truncated values": lambda f: (f / "state.json").write_text('{"sha256": '),
    "values that are no text": lambda f: (f / "state.json").write_bytes(b"\xff\xfe"),
    "values of another shape": lambda f: (f / "state.json").write_text("[1]"),
    "a changed number in the values": lambda f: (f / "state.json").write_text(
        (f / "state.json").read_text().replace('"number": 8.0', '"number": 9.0')
    ),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_newest_checkpoint_is_passed_over_and_named(store, damage):
    store.save(4, snapshot(4.0))
    store.save(8, snapshot(8.0))
    damage(store.folder / "step-000008")
    loaded, problems = store.load_latest()
    assert loaded.values["number"] == 4
    assert len(problems) == 1
    assert "step-000008" in problems[0]
    assert problems[0].endswith("It is damaged and passed over.")


def test_when_every_checkpoint_is_damaged_training_starts_anew(store):
    for step in (4, 8):
        store.save(step, snapshot())
        flip(store.folder / f"step-{step:06d}" / "state.safetensors")
    loaded, problems = store.load_latest()
    assert loaded is None
    assert len(problems) == 2


def test_a_folder_that_a_killed_save_left_is_ignored_and_does_not_hinder(store, monkeypatch):
    store.save(4, snapshot(4.0))
    with monkeypatch.context() as patch:
        patch.setattr("dpf_core.training.checkpoint.write_json", _killed)
        with pytest.raises(KeyboardInterrupt):
            store.save(8, snapshot(8.0))
    assert store.load_latest()[0].values["number"] == 4
    store.save(8, snapshot(8.0))
    assert names(store) == ["step-000004", "step-000008"]


def _killed(*_):
    raise KeyboardInterrupt


def test_a_full_disk_is_named_and_earlier_checkpoints_stay(store, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    store.save(4, snapshot(4.0))
    with monkeypatch.context() as patch:
        patch.setattr("dpf_core.training.checkpoint.write_bytes_atomic", full)
        with pytest.raises(CheckpointError, match=r"No space left on device.*Free space"):
            store.save(8, snapshot(8.0))
    assert store.load_latest()[0].values["number"] == 4


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(CheckpointError, match=r"must be writable, got .*step-000004"):
        CheckpointStore(tmp_path / "run").save(4, snapshot())


def test_values_must_be_json_that_keeps_them(store):
    with pytest.raises(ValueError, match="Out of range float"):
        store.save(4, Snapshot({}, {"loss": float("nan")}))
    assert store.load_latest() == (None, [])


def test_clearing_removes_the_runs_folder_and_can_be_repeated(store):
    store.save(4, snapshot())
    store.clear()
    store.clear()
    assert not store.folder.exists()


def test_the_state_file_is_readable_json(store):
    store.save(4, snapshot())
    assert json.loads((store.folder / "step-000004" / "state.json").read_text())["values"]


def test_the_newest_is_the_one_of_the_most_steps_however_many_digits(store):
    store.save(999_950, snapshot(1.0))
    store.save(999_999, snapshot(2.0))
    store.save(1_000_049, snapshot(3.0))
    assert names(store) == ["step-1000049", "step-999999"]
    assert store.load_latest()[0].values["number"] == 3


def test_what_is_no_checkpoint_is_left_alone(store):
    for step in (1, 2, 3):
        store.save(step, snapshot(float(step)))
        (store.folder / "step-notes").write_text("mine")
    (store.folder / "step-000009").write_text("a file")
    store.save(4, snapshot(4.0))
    assert store.load_latest()[0].values["number"] == 4
    assert {"step-notes", "step-000009"} < set(names(store))
