import errno
import hashlib
import math
from pathlib import Path

import pytest

from dpf_core.files import (
    md5_file,
    read_json,
    sha256_file,
    staged_folders,
    write_bytes_atomic,
    write_json,
)

DATA = bytes(range(256)) * 9000  # more than one chunk


def test_hashes_are_those_of_the_whole_content(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    assert sha256_file(path) == hashlib.sha256(DATA).hexdigest()
    assert md5_file(path) == hashlib.md5(DATA, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace"])
def test_a_failed_write_leaves_the_old_content_and_no_other_file(tmp_path, monkeypatch, failing):
    def fail(*_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(failing, fail)
    with pytest.raises(OSError, match="No space left"):
        write_bytes_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_replaces_the_content_and_leaves_no_other_file(tmp_path):
    path = tmp_path / "file"
    for data in (b"old", b"new"):
        write_bytes_atomic(path, data)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_into_a_folder_that_does_not_exist_raises_and_makes_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_bytes_atomic(tmp_path / "absent" / "file", b"")
    assert not (tmp_path / "absent").exists()


def test_equal_values_give_equal_json_bytes_whatever_the_order_of_keys(tmp_path):
    write_json(tmp_path / "a", {"b": 1, "a": "é"})
    write_json(tmp_path / "b", {"a": "é", "b": 1})
    assert Path(tmp_path / "a").read_bytes() == Path(tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_text(encoding="utf-8") == '{\n  "a": "é",\n  "b": 1\n}\n'


def test_json_keeps_every_bit_of_a_float(tmp_path):
    values = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0]
    write_json(tmp_path / "a", values)
    assert list(map(math.copysign, values, read_json(tmp_path / "a"))) == values
    assert read_json(tmp_path / "a") == values


def test_json_refuses_numbers_that_json_does_not_have(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "a", math.nan)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported_with_the_file_that_did_not_fit(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*pool.bin'"):
        write_bytes_atomic(tmp_path / "pool.bin", DATA)


def test_staged_files_move_in_together_and_only_when_all_are_written(tmp_path):
    def fill(a, b):
        write_json(a / "x.json", 2)
        write_json(b / "y.json", math.nan)

    first, second = tmp_path / "first", tmp_path / "second"
    with staged_folders(first, second) as (a, b):
        write_json(a / "x.json", 1)
        write_json(b / "y.json", 1)
    with pytest.raises(ValueError, match="nan"), staged_folders(first, second) as (a, b):
        fill(a, b)
    assert read_json(first / "x.json") == 1
    assert {path.name for path in tmp_path.rglob("*")} == {"first", "x.json", "second", "y.json"}
