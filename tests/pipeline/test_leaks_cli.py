import argparse
import json

import pytest

from dpf_core.errors import ConfigError
from pipeline.leaks_cli import add_parser
from tests.pipeline.small_gym import add, build, classification, reviews

LEAK = b"A joy to watch!\tpositive\n"


def leaks(*arguments):
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["leaks", *map(str, arguments)])
    return args.run(args)


@pytest.fixture
def gym(tmp_path):
    """Task `a` is trained on half of the test rows of `b`; their few-shot rows are the same."""
    tasks = [
        (classification("a"), add(reviews("a"), "full_train", LEAK)),
        (classification("b"), reviews("b")),
    ]
    return build(tmp_path, tasks)


def test_each_leak_is_a_line_with_its_counts(gym, capsys):
    assert leaks("--gym", gym) == 0
    header, first, second, *rest = capsys.readouterr().out.splitlines()
    assert header.split() == ["trained", "on", "scored", "on", "test", "rows", "few-shot", "rows"]
    assert first.split() == ["a", "b", "1", "of", "2", "50.0%", "16", "of", "16", "100.0%"]
    assert second.split() == ["b", "a", "0", "of", "2", "0.0%", "16", "of", "16", "100.0%"]
    assert rest == [
        "keep on one side of a transfer: a, b",
        "2 leaks above 1.0%, 0 below; 2 tasks, 13 training rows against 36 test and few-shot rows",
    ]


def test_json_holds_all_leaks_with_lines_and_groups(gym, capsys):
    assert leaks("--gym", gym, "--json", "--above", 1) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["leaks"][0]["test"] == {"rows": 2, "same": 1, "near": 0, "share": 0.5}
    assert report["leaks"][0]["examples"] == [{"test_line": 1, "full_train_line": 7}]
    assert report["groups"] == []


def test_a_gym_without_leaks_says_so_in_one_line(tmp_path, capsys):
    leaks("--gym", build(tmp_path, [(classification("a"), reviews("a"))]))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("0 leaks above 1.0%, 0 below; 1 task")


@pytest.mark.parametrize("share", ["nan", "-3", "1.5"])
def test_a_share_that_is_none_is_refused(gym, share):
    with pytest.raises(ConfigError, match=r"--above must be a share in \[0, 1\], got "):
        leaks("--gym", gym, "--above", share)
