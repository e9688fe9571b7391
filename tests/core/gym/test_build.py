import os
import shutil
import tracemalloc

import pytest

from dpf_core.errors import GymError
from dpf_core.files import sha256_file
from dpf_core.gym.build import build_gym
from dpf_core.gym.reader import load_manifest, read_split, split_path
from dpf_core.gym.sources import MirrorSource
from dpf_core.gym.task_build import BYTES_PER_ROW, FIXED_BYTES, build_task


@pytest.fixture
def build(make_spec, mirror, tmp_path):
    def build(*specs, out="gym", **options):
        chosen = specs or (make_spec(),)
        return build_gym(MirrorSource(mirror), chosen, tmp_path / out, **options)

    return build


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_task_has_fifteen_few_shot_files_and_its_training_rows(build, tmp_path):
    record = build().task("reviews")
    folder = tmp_path / "gym" / "reviews"
    assert sorted(path.name for path in folder.iterdir()) == sorted(record.files)
    assert len(record.files) == 16
    assert (folder / "reviews_2_13_test.tsv").read_text() == (
        "review: dim\tbad\nreview: neat\tgood\nreview: poor\tbad\nreview: fine\tgood\n"
    )


def test_the_manifest_on_disk_is_the_one_returned_and_counts_the_rows_of_every_file(
    build, tmp_path
):
    manifest = build()
    assert load_manifest(tmp_path / "gym") == manifest
    record = manifest.task("reviews")
    assert (record.rows.full_train, record.rows.test, record.rows.dev["87"]) == (10, 4, 4)
    for split, seed in [("full_train", None), ("train", 21), ("dev", 87), ("test", None)]:
        path = split_path(tmp_path / "gym", record, split, seed)
        rows = read_split(tmp_path / "gym", record, split, seed)
        assert len(rows) == record.files[path.name].rows
        assert record.files[path.name].sha256 == sha256_file(path)


def test_the_manifest_names_sources_by_hash_and_no_machine_path(build, mirror, tmp_path):
    record = build().task("reviews")
    train = "reviews/default/train.parquet"
    assert record.source.files[train] == sha256_file(mirror / train)
    assert str(tmp_path) not in (tmp_path / "gym" / "manifest.json").read_text()


def test_two_builds_are_equal_whatever_the_number_of_processes(build, make_spec, tmp_path):
    specs = make_spec("b"), make_spec("a")
    build(*specs)
    first = tree(tmp_path / "gym")
    build(*reversed(specs), jobs=2)
    assert tree(tmp_path / "gym") == first


def test_an_error_in_a_worker_process_keeps_its_message(build, make_spec):
    with pytest.raises(GymError, match=r"task 'b', split 'validation': .* column 'txt'"):
        build(make_spec("a"), make_spec("b", input="{txt}", splits={"train": "validation"}), jobs=2)


def test_a_failed_build_leaves_the_earlier_gym_and_no_other_file(build, make_spec, tmp_path):
    build()
    before = tree(tmp_path)
    with pytest.raises(GymError, match="must have the column"):
        build(make_spec("a"), make_spec("b", answer="klass"))
    assert tree(tmp_path) == before


def test_a_folder_with_other_files_is_not_replaced(build, tmp_path):
    (tmp_path / "gym").mkdir()
    (tmp_path / "gym" / "thesis.txt").touch()
    with pytest.raises(GymError, match="must be empty, or an earlier gym"):
        build()
    assert (tmp_path / "gym" / "thesis.txt").exists()


def test_a_disk_without_room_is_reported_and_the_earlier_gym_stays(build, tmp_path, monkeypatch):
    build()
    before = tree(tmp_path)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GymError, match=r"got No space left on device\. Free space"):
        build()
    assert tree(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_reported(build, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(GymError, match="must be writable"):
        build(out="file/gym")


def test_two_tasks_of_one_name_are_refused(build, make_spec, incoming):
    with pytest.raises(GymError, match="got 'mood' twice"):
        build(make_spec("mood"), incoming=incoming)


def test_a_gym_without_tasks_is_refused(mirror, tmp_path):
    with pytest.raises(GymError, match="at least one task, got none"):
        build_gym(MirrorSource(mirror), [], tmp_path / "gym")


def test_a_source_without_any_chosen_task_is_refused_with_a_reason(mirror, tmp_path):
    missing = {"trec": "mirror lacks trec/default/train.parquet"}
    with pytest.raises(GymError, match=r"got none of 1 chosen; the first one, trec: mirror lacks"):
        build_gym(MirrorSource(mirror), [], tmp_path / "gym", missing=missing)


def test_too_few_rows_for_a_dev_split_are_refused(build, make_spec):
    with pytest.raises(GymError, match="more rows than 16 shots of a label, got 10 rows in all"):
        build(make_spec(shots=16))


def test_official_rows_with_line_ends_keep_their_bytes_and_are_counted(
    make_spec, mirror, put, tmp_path
):
    put("train", {"text": ["a\nb", "fun"] * 40, "label-coarse": [0, 1] * 40}, "trec/default")
    spec = make_spec("trec", official=True, shots=None, splits={"train": "train"},
                     answer="label-coarse", source={"id": "trec"})  # fmt: skip
    record = build_gym(MirrorSource(mirror), [spec], tmp_path / "gym").task("trec")
    assert (record.status, record.official.matching) == ("unverified", 0)
    assert record.dropped == {"tab or line end in a text": 40}
    rows = read_split(tmp_path / "gym", record, "train", 13)
    assert len(rows) == record.rows.train["13"] == 16
    assert b"a\nb" in split_path(tmp_path / "gym", record, "train", 13).read_bytes()


def test_a_task_that_cannot_be_built_may_be_left_out_with_its_reason(build, make_spec, tmp_path):
    specs = make_spec("a"), make_spec("b", answer="klass")
    seen = []
    manifest = build(*specs, missing={"c": "gone"}, watch=seen.append)
    assert [task.name for task in manifest.tasks] == ["a"]
    assert "must have the column 'klass'" in manifest.failed["b"]
    assert manifest.missing == {"c": "gone"}
    assert load_manifest(tmp_path / "gym") == manifest
    assert not (tmp_path / "gym" / "b").exists()
    assert [(done.how, done.done, done.total) for done in seen] == [
        ("built", 1, 2),
        ("not built", 2, 2),
    ]


def test_a_source_that_cannot_be_had_is_a_reason_too(make_spec, mirror, tmp_path):
    source = Unreachable(mirror)
    for _ in range(2):  # the second time with an earlier gym
        manifest = build_gym(
            source, [make_spec("a"), make_spec("b")], tmp_path / "gym", missing={}, jobs=2
        )
        assert manifest.failed == {"b": "b is gone"}


class Unreachable(MirrorSource):
    """A source that has lost task b."""

    def files(self, spec):
        if spec.name == "b":
            raise GymError("b is gone")
        return super().files(spec)


def test_a_users_own_task_is_never_left_out(build, incoming):
    (incoming / "mood" / "train.tsv").write_text("a\tangry\n")
    with pytest.raises(GymError, match="task 'mood'"):
        build(incoming=incoming, missing={})


def test_a_gym_of_which_no_task_can_be_built_is_refused(build, make_spec):
    with pytest.raises(GymError, match=r"none of 1 built; the first one, b: task 'b'.* 'klass'"):
        build(make_spec("b", answer="klass"), missing={})


def test_a_label_that_train_lacks_is_refused(build, make_spec):
    with pytest.raises(GymError, match="every label must occur, got no row of 'mixed' in 10 rows"):
        build(make_spec(labels=["bad", "good", "mixed"]))


def test_an_empty_split_is_refused(build, put):
    put("validation", {"text": [], "label": []})
    with pytest.raises(GymError, match="split 'validation': there must be at least one row"):
        build()


def test_a_carved_task_keeps_its_shuffled_rows(build, make_spec, tmp_path):
    record = build(make_spec(splits={"train": "train"})).task("reviews")
    assert (record.rows.full_train, record.rows.test) == (8, 2)
    assert sorted(path.name for path in (tmp_path / "gym" / "reviews").iterdir()) == sorted(
        record.files
    )


def test_a_part_of_the_held_out_rows_can_be_kept(build, make_spec, tmp_path):
    record = build(make_spec(test_fraction=0.5)).task("reviews")
    assert (record.rows.full_train, record.rows.test) == (10, 2)


def test_memory_stays_bounded_for_many_rows(make_spec, tmp_path):
    spec = make_spec(source={"id": "long"})
    source = ManyRows(num_rows=8_000)
    build_task(source, spec, tmp_path)  # loads modules
    shutil.rmtree(tmp_path / spec.name)
    tracemalloc.start()
    build_task(source, spec, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < BYTES_PER_ROW * source.num_rows + FIXED_BYTES < 24_000_000  # of text


class ManyRows:
    """A source that makes up its rows."""

    name = "mirror"

    def __init__(self, num_rows):
        self.num_rows = num_rows

    def rows(self, spec, split):
        count = self.num_rows if split == "train" else 10
        return (
            {"text": f"{number} {'word ' * 600}", "label": number % 2} for number in range(count)
        )

    def files(self, spec):
        return {}

    def dropped(self, spec):
        return {}
