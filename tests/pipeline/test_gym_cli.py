import argparse
import json

import pytest

from dpf_core.errors import ConfigError, DPFError, GymError
from dpf_core.gym.catalogue import load_catalogue
from pipeline.gym_cli import add_parser

KNOWN = load_catalogue("mirror")
TASK = (
    "name: mood\nkind: classification\nlabels: [sad, happy]\nshots: 2\ncategory: emotion\n"
    "licence: CC0-1.0\ndescription: Whether a sentence is happy.\n"
)


def dpf(*arguments):
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["gym", *map(str, arguments)])
    return args.run(args)


@pytest.fixture
def build(tmp_path):
    """Build one own task beside an empty mirror."""
    folder = tmp_path / "incoming" / "mood"
    folder.mkdir(parents=True)
    (tmp_path / "mirror").mkdir()
    (folder / "task.yaml").write_text(TASK)
    (folder / "train.tsv").write_text("a\tsad\nb\thappy\n" * 6)

    def build(*more):
        return dpf("build", "--source", "mirror", "--mirror", tmp_path / "mirror", "--incoming",
                   tmp_path / "incoming", "--out", tmp_path / "gym", *more)  # fmt: skip

    return build


def test_building_ends_with_how_much_of_crossfit_is_there(build, capsys):
    assert build() == 0
    *_, counts, crossfit, how = capsys.readouterr().out.splitlines()
    assert counts == f"1 task built, {len(KNOWN)} missing, 0 failed"
    assert crossfit == "CrossFit: 0/160 verified, 160/160 source missing"
    assert how.startswith("1 built in ")


def test_building_again_says_what_was_taken_over(build, capsys):
    build()
    build()
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 reused in ")
    build("--rebuild")
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 built in ")


def test_building_prints_the_manifest_and_the_coverage_as_json(build, capsys):
    assert build("--json", "--jobs", 2) == 0
    value = json.loads(capsys.readouterr().out)
    assert [task["name"] for task in value["tasks"]] == ["mood"]
    assert "trec" in value["missing"]
    assert len(value["coverage"]) == 160
    assert value["built"] == {"built": 1}


def test_a_task_that_cannot_be_built_does_not_stop_the_others(build, tmp_path, capsys):
    folder = tmp_path / "mirror" / "trec" / "default"
    folder.mkdir(parents=True)
    (folder / "train.parquet").write_bytes(b"cut short")
    assert build() == 0
    out = capsys.readouterr().out
    assert "\ntrec: failed, task 'trec', split 'train': trec/default/train.parquet must be" in out
    assert "CrossFit: 0/160 verified, 158/160 source missing, 2/160 failed" in out


def test_verifying_ends_with_one_exactly_when_a_file_differs(build, tmp_path, capsys):
    build()
    assert dpf("verify", "--gym", tmp_path / "gym") == 0
    (tmp_path / "gym" / "mood" / "mood_2_13_dev.tsv").write_text("x\tsad\n")
    assert dpf("verify", "--gym", tmp_path / "gym") == 1
    assert "changed since it was built: mood_2_13_dev.tsv" in capsys.readouterr().out


def test_verifying_prints_json(build, tmp_path, capsys):
    build()
    capsys.readouterr()
    assert dpf("verify", "--gym", tmp_path / "gym", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["status"] == "no official files"


def test_listing_shows_a_line_for_each_known_task(capsys):
    assert dpf("list", "--source", "mirror") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "source", "name", "kind", "category", "metric", "shots", "provenance", "licence"
    ]  # fmt: skip
    assert len(lines) == 1 + len(KNOWN)


def test_listing_the_hub_says_what_is_known_of_each_source(capsys):
    assert dpf("list", "--source", "hub", "--json") == 0
    tasks = {task["name"]: task for task in json.loads(capsys.readouterr().out)}
    assert tasks["eli5-eli5"]["status"] == "gone"
    assert tasks["crawl_domain"]["confirmed"] is False


def test_a_number_of_processes_below_one_is_refused(build, capsys):
    with pytest.raises(SystemExit):
        build("--jobs", "0")
    assert "must be a whole number >= 1, got '0'" in capsys.readouterr().err


def test_a_folder_of_own_tasks_that_does_not_exist_is_refused(build):
    with pytest.raises(ConfigError, match=r"--incoming must be a folder .* got nowhere"):
        build("--incoming", "nowhere")


def test_a_mirror_without_effect_is_refused(build):
    with pytest.raises(ConfigError, match="--mirror must come with --source mirror or hub, got"):
        build("--source", "starter")


def test_an_empty_list_of_tasks_does_not_mean_all(build):
    with pytest.raises(DPFError, match="got ''"):
        build("--tasks", "")


def test_the_folder_of_one_task_is_not_taken_for_that_of_all(build, tmp_path):
    with pytest.raises(ConfigError, match=r"the task folder .*mood itself. Name its parent"):
        build("--incoming", tmp_path / "incoming" / "mood")


@pytest.mark.parametrize("manifest", ['{"name": "my web app"}', "{", '{"format": "dpf-gym/1"}'])
def test_a_folder_that_is_no_gym_is_left_alone(build, tmp_path, manifest):
    (tmp_path / "gym").mkdir()
    files = {"manifest.json": manifest, "thesis.txt": "years of work"}
    for name, text in files.items():
        (tmp_path / "gym" / name).write_text(text)
    with pytest.raises(GymError, match=r"an earlier gym and nothing else, got .*Choose another"):
        build()
    assert {path.name: path.read_text() for path in (tmp_path / "gym").iterdir()} == files


def test_a_gym_that_holds_something_else_too_is_left_alone(build, tmp_path):
    build()
    (tmp_path / "gym" / "thesis.txt").write_text("years of work")
    with pytest.raises(GymError, match="an earlier gym and nothing else"):
        build()
    assert (tmp_path / "gym" / "thesis.txt").exists()
    (tmp_path / "gym" / "thesis.txt").unlink()
    assert build() == 0
