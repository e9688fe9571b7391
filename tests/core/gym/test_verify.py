import os
from pathlib import Path

import pytest

from dpf_core.gym.build import build_gym
from dpf_core.gym.catalogue import select_tasks
from dpf_core.gym.sources import MirrorSource
from dpf_core.gym.verify import summary_line, verify_gym


def test_a_file_changed_or_removed_after_the_build_is_found(make_spec, mirror, tmp_path):
    build_gym(MirrorSource(mirror), [make_spec()], tmp_path / "gym")
    folder = tmp_path / "gym" / "reviews"
    (folder / "reviews_2_13_dev.tsv").write_text("x\tbad\n")
    (folder / "reviews_2_21_dev.tsv").unlink()
    (result,) = verify_gym(tmp_path / "gym")
    assert (result.status, result.passed) == ("no official files", False)
    assert result.changed == ("reviews_2_13_dev.tsv", "reviews_2_21_dev.tsv")


def test_tasks_without_official_files_do_not_count_as_verified(make_spec, mirror, tmp_path):
    build_gym(MirrorSource(mirror), [make_spec()], tmp_path / "gym")
    results = verify_gym(tmp_path / "gym")
    assert results[0].passed
    assert summary_line(results) == (
        "0 of 0 tasks verified, 0 of 0 files; 1 more without official files"
    )


def test_an_official_task_with_other_bytes_is_unverified(make_spec, mirror, tmp_path):
    spec = make_spec("mc_taco", official=True, shots=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dpf_core.gym.task_build.few_shot", lambda *_, **__: ([0], [0]))
        build_gym(MirrorSource(mirror), [spec], tmp_path / "gym")
    results = verify_gym(tmp_path / "gym")
    assert (results[0].status, len(results[0].differing)) == ("unverified", 15)
    assert summary_line(results) == "0 of 1 tasks verified, 0 of 15 files"


@pytest.fixture
def real_mirror():
    if "DPF_MIRROR" not in os.environ:
        pytest.skip("needs DPF_MIRROR, a folder with CrossFit's source data sets as parquet files")
    return MirrorSource(Path(os.environ["DPF_MIRROR"]))


PARTLY = {"ai2_arc": 0, "crawl_domain": 11, "definite_pronoun_resolution": 5}
"""Tasks of which the mirror's rows differ or are absent, and how many files match all the same."""


@pytest.mark.slow
def test_every_file_of_the_mirrored_tasks_has_crossfits_bytes(real_mirror, tmp_path):
    selection = select_tasks(real_mirror, ["all"])
    manifest = build_gym(real_mirror, selection.specs, tmp_path / "gym", jobs=2)
    found = {task.name: task.official.matching for task in manifest.tasks}
    assert found == dict.fromkeys(found, 15) | PARTLY
    assert len(found) == 63
    results = verify_gym(tmp_path / "gym")
    assert summary_line(results) == f"60 of 63 tasks verified, {60 * 15 + 16} of 945 files"
