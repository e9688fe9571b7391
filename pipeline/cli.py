"""The command `dpf`: parses words, prints errors as one sentence, and imports nothing heavy.

Gym commands are in `gym_cli.py`, commands of the other stages in `stage_cli.py`.
"""

import argparse
import sys
from collections.abc import Sequence

from dpf_core import __version__
from dpf_core.errors import DPFError
from pipeline import gym_cli, stage_cli

_INTERRUPTED = 128 + 2
"""What a shell reports of a command that SIGINT ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code, as `dpf --help` lists them."""
    args = build_parser().parse_args(arguments)
    try:
        return int(args.run(args))
    except DPFError as error:
        print(f"dpf: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(
            f"dpf: every package of the extra `pipeline` must be installed, got none named "
            f"{error.name}. Run: pip install 'dynamic-prompt-fusion[pipeline]'.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("dpf: interrupted; nothing is half written, so run it again.", file=sys.stderr)
        return _INTERRUPTED
    except OSError as error:
        print(
            f"dpf: files must be readable and writable, got {error}. Correct the path or its "
            "permissions, or free disk space.",
            file=sys.stderr,
        )
        return 1


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
    return parser


if __name__ == "__main__":
    sys.exit(main())
