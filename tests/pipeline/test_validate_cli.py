import argparse
import json
from pathlib import Path

import pytest

from dpf_core.errors import ConfigError
from pipeline.validate_cli import add_parser
from tests.pipeline.small_gym import add, build, classification, reviews
from tests.pipeline.test_validate_stage import PARAMS, TYPO


def validate(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["validate", *map(str, arguments)])
    return int(args.run(args))


@pytest.fixture
def options(tmp_path: Path) -> list[object]:
    """Options for a gym whose task has one label misspelt."""
    gym = build(tmp_path / "gym", [(classification("films"), add(reviews("films"), "test", TYPO))])
    (tmp_path / "limits.yaml").write_text(PARAMS, encoding="utf-8")
    return ["--gym", gym, "--out", tmp_path / "out", "--params", tmp_path / "limits.yaml"]


def test_a_gym_of_ones_own_gets_pages_and_an_exit_code(
    options: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert validate(*options, "--json") == 1
    out = Path(str(options[3]))
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "validate.json").read_text(encoding="utf-8"))
    assert printed["num_critical"] == 1
    assert "postive" in (out / "tasks" / "films.html").read_text(encoding="utf-8")


def test_options_without_out_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"--gym must come with --out"):
        validate("--gym", "x")
