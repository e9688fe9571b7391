import pytest

from dpf_core.errors import GymError
from dpf_core.gym.build import build_gym
from dpf_core.gym.incoming import incoming_tasks, why_waiting
from dpf_core.gym.reader import read_split
from dpf_core.gym.scaffold import WRITERS
from dpf_core.gym.sources import MirrorSource


def edit(folder, old, new):
    path = folder / "mood" / "task.yaml"
    path.write_text(path.read_text().replace(old, new))


def test_an_own_task_joins_the_gym_with_a_carved_test_split(incoming, mirror, tmp_path):
    manifest = build_gym(MirrorSource(mirror), [], tmp_path / "gym", incoming=incoming)
    record = manifest.task("mood")
    assert (record.source.name, record.status) == ("incoming", "no official files")
    assert (record.rows.full_train, record.rows.test, record.metric) == (8, 2, "Classification-F1")
    assert set(record.source.files) == {"mood/task.yaml", "mood/train.tsv"}
    texts = {
        row.input for s in ("full_train", "test") for row in read_split(tmp_path / "gym", record, s)
    }
    assert texts == {f"sentence {number}" for number in range(10)}


def test_an_own_test_file_is_used_whole(incoming):
    (incoming / "mood" / "test.tsv").write_text("a\tsad\n")
    source, (spec,) = incoming_tasks(incoming)
    assert list(source.rows(spec, "test")) == [{"input": "a", "output": "sad"}]


def test_an_own_multiple_choice_task_answers_with_an_option(incoming, mirror, tmp_path):
    edit(incoming, "classification\nlabels: [sad, happy]", "multiple_choice")
    (incoming / "mood" / "train.tsv").write_text("Q? (A) x (B) y\ty\n" * 10)
    manifest = build_gym(MirrorSource(mirror), [], tmp_path / "gym", incoming=incoming)
    record = manifest.task("mood")
    assert (record.options, record.labels, record.metric) == ("lettered", None, "ACC")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("shots: 2", "shoots: 2", "got 'shoots'. Did you mean 'shots'?"),
        ("name: mood", "name: moods", "name in task.yaml must equal the folder's name"),
        ("licence: CC0-1.0\n", "", "licence must be given"),
        ("shots: 2", "shots: two", "shots must be a whole number, got 'two'"),
        ("shots: 2", "shots: [", "must be a readable YAML file"),
        ("labels: [sad, happy]", "labels: [yes, no]", "labels must be a list of texts"),
    ],
)
def test_a_wrong_task_file_is_refused(incoming, old, new, message):
    edit(incoming, old, new)
    with pytest.raises(GymError) as caught:
        incoming_tasks(incoming)
    assert "task 'mood'" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("task.yaml", "has no task.yaml yet"),
        ("train.tsv", "has no train.tsv, train.csv, train.jsonl or train.parquet yet"),
    ],
)
def test_a_half_copied_folder_is_no_task_yet(incoming, file, reason):
    (incoming / "mood" / file).unlink()
    assert incoming_tasks(incoming)[1] == []
    assert why_waiting(incoming / "mood") == reason


def test_two_files_of_one_split_are_refused(incoming):
    (incoming / "mood" / "train.csv").write_text("input,output\n")
    with pytest.raises(GymError, match=r"must be one file, got train\.tsv, train\.csv\. Remove"):
        incoming_tasks(incoming)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_rows_may_come_in_another_format(incoming, mirror, tmp_path, ending):
    rows = [line.split("\t") for line in (incoming / "mood/train.tsv").read_text().splitlines()]
    (incoming / "mood/train.tsv").unlink()
    examples = [{"input": text, "output": label} for text, label in rows]
    WRITERS[ending](incoming / f"mood/train.{ending}", examples)
    manifest = build_gym(MirrorSource(mirror), [], tmp_path / "gym", incoming=incoming)
    assert manifest.task("mood").rows.full_train == 8


def test_a_damaged_row_stops_the_build_and_names_file_and_line(incoming, mirror, tmp_path):
    (incoming / "mood/train.tsv").write_text("a\tsad\nb\n")
    with pytest.raises(GymError, match=r"task 'mood', file train\.tsv, line 2: a row must be"):
        build_gym(MirrorSource(mirror), [], tmp_path / "gym", incoming=incoming)


def test_an_unknown_label_is_refused_with_its_row(incoming, mirror, tmp_path):
    (incoming / "mood" / "train.tsv").write_text("a\tsad\nb\thapy\n")
    with pytest.raises(
        GymError, match=r"task 'mood', split 'train', row 2: .*got 'hapy'\. Did you"
    ):
        build_gym(MirrorSource(mirror), [], tmp_path / "gym", incoming=incoming)


def test_hidden_folders_plain_files_and_no_folder_at_all_are_no_tasks(incoming, tmp_path):
    (incoming / ".cache").mkdir()
    (incoming / ".gitkeep").touch()
    assert [spec.name for spec in incoming_tasks(incoming)[1]] == ["mood"]
    assert incoming_tasks(tmp_path / "none")[1] == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"\n", b"\r\n", "line 1: .*a carriage return"),
        (b"", b"\xef\xbb\xbf", "line 1: .*a byte order mark"),
    ],
)
def test_what_an_editor_adds_unseen_is_named(incoming, old, new, message):
    path = incoming / "mood" / "train.tsv"
    path.write_bytes(path.read_bytes().replace(old, new, -1 if old else 1))
    source, (spec,) = incoming_tasks(incoming)
    with pytest.raises(GymError, match=message):
        list(source.rows(spec, "train"))


def test_a_label_that_is_nearly_one_is_refused_with_the_nearest(incoming, mirror, tmp_path):
    path = incoming / "mood" / "train.tsv"
    path.write_text(path.read_text().replace("\tsad", "\tsadd", 1))
    with pytest.raises(GymError, match=r"got 'sadd'\. Did you mean 'sad'\? Correct"):
        build_gym(MirrorSource(mirror), [], tmp_path / "gym", incoming=incoming)
