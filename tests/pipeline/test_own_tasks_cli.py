import argparse
import json

import pytest

from pipeline.own_tasks_cli import add_parsers


def dpf(*arguments):
    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers())
    args = parser.parse_args(list(map(str, arguments)))
    return args.run(args)


@pytest.fixture
def mood(tmp_path, capsys):
    dpf("new", "mood", "--kind", "classification", "--out", tmp_path)
    assert "then run `dpf gym check" in capsys.readouterr().out
    return tmp_path / "mood"


def test_a_new_task_is_ready(mood, capsys):
    assert dpf("check", mood) == 0
    assert capsys.readouterr().out == "mood: ready, 12 train rows\n"


def test_each_problem_has_a_line_and_the_rest_is_counted(mood, capsys):
    (mood / "train.tsv").write_text("no tab\n" * 4)
    (mood / "notes.md").touch()
    assert dpf("check", mood.parent, "--limit", 1) == 1
    assert capsys.readouterr().out.splitlines() == [
        "mood: 4 problems, 0 train rows",
        "  train.tsv, line 1: a row must be input<TAB>output, got 1 column in 'no tab'. Correct "
        "the line.",
        "  train.tsv: 3 further problems",
        "  notes.md is not read",
    ]


def test_problems_come_as_json(mood, capsys):
    (mood / "train.tsv").write_text("no tab\n")
    assert dpf("check", mood, "--json") == 1
    (check,) = json.loads(capsys.readouterr().out)
    assert (check["passed"], check["problems"][0]["line"]) == (False, 1)


def test_a_limit_that_is_no_number_is_refused(mood, capsys):
    with pytest.raises(SystemExit):
        dpf("check", mood, "--limit", "-1")
    assert "must be a whole number >= 0, got '-1'" in capsys.readouterr().err
