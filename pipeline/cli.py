"""The command `dpf`: parses words, prints errors as one sentence, and imports nothing heavy.

Gym commands are in `gym_cli.py`, commands of the other stages in `stage_cli.py`, suites in
`suite_cli.py`, `dpf autotune` in `autotune_cli.py`, benchmarks in `bench_cli.py`, transfer in
`science_cli.py`.
"""

import argparse
import sys
from collections.abc import Sequence

from dpf_core import __version__
from pipeline import autotune_cli, bench_cli, gym_cli, science_cli, stage_cli, suite_cli
from pipeline.refusals import in_one_sentence


@in_one_sentence("dpf")
def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code, as `dpf --help` lists them."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    args = build_parser().parse_args(words, argparse.Namespace(words=words))
    return int(args.run(args))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="dpf",
        description="Dynamic Prompt Fusion: one frozen language model for many tasks, each steered "
        "by a soft prompt that is fused from a shared pool.",
        epilog="Without --out a stage's command is `dvc repro` up to that stage: it writes data/ "
        "and keeps dvc.lock right. With --out DIR it works apart from the project's own files. "
        "Exit codes: 0 done, 1 refused or failed, 2 bad usage, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"dpf {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    gym_cli.add_parser(commands)
    stage_cli.add_parsers(commands)
    suite_cli.add_parser(commands)
    autotune_cli.add_parser(commands)
    bench_cli.add_parser(commands)
    science_cli.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
