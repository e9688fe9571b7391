"""The commands `dpf gym build`, `list` and `verify`; what they do is in dpf_core.gym."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpf_core.errors import ConfigError
from pipeline import leaks_cli, own_tasks_cli
from pipeline.stage_cli import own_folder, reproduce

if TYPE_CHECKING:
    from dpf_core.gym.spec import TaskSpec

MIRROR_VARIABLE = "DPF_MIRROR"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `gym` and its commands; each sets `run`, a function of the arguments."""
    gym = subparsers.add_parser(
        "gym", help="build, list and verify tasks", description="Tasks in CrossFit's format."
    )
    commands = gym.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_build(commands)
    _add_list(commands)
    _add_verify(commands)
    leaks_cli.add_parser(commands)
    own_tasks_cli.add_parsers(commands)


def run_build(args: argparse.Namespace) -> int:
    """Build the chosen tasks into a folder and say what was built.

    Raises:
        DPFError: An argument, a source or a row is wrong; an earlier gym is untouched.
    """
    if args.out is None:
        unused = ("source", "mirror", "tasks", "incoming", "jobs", "json")
        return reproduce("ingest", args, unused=unused)
    from dpf_core.gym.build import build_gym
    from dpf_core.gym.catalogue import select_tasks
    from dpf_core.gym.sources import open_source
    from pipeline.gym_summary import describe_build
    from pipeline.incoming import ignored_folders

    if args.source is None:
        raise ConfigError(
            "--source must come with --out, got none (dpf gym build). Add --source starter, "
            "--source mirror or --source hub."
        )
    _check_folders(args)
    source = open_source(args.source, mirror_dir=mirror_folder(args.mirror, args.source))
    tasks = "all" if args.tasks is None else args.tasks
    selection = select_tasks(source, tasks.split(","))
    out = own_folder(args.out)
    jobs = args.jobs or 1
    manifest = build_gym(source, selection.specs, out, jobs=jobs, incoming=args.incoming)
    if args.incoming is not None:
        for sentence in ignored_folders(args.incoming, shown=args.incoming):
            print(sentence, file=sys.stderr)
    if args.json:
        _say_json({"out": str(args.out), "missing": selection.missing, **manifest.to_json()})
    else:
        _say(describe_build(manifest, selection.missing))
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Print the tasks that a source is known to have."""
    from dpf_core.gym.catalogue import load_catalogue

    names = [args.source] if args.source else ["starter", "mirror"]
    rows = [
        {"source": name, **_spec_row(spec)}
        for name in names
        for spec in load_catalogue(name).values()
    ]
    if args.json:
        _say_json(rows)
    else:
        _say(_table(rows))
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Compare a gym's files with CrossFit's fingerprints; 1 if anything differs."""
    from dpf_core.gym.verify import summary_line, verify_gym

    results = verify_gym(args.gym)
    if args.json:
        _say_json([result.to_json() for result in results])
    else:
        for result in results:
            count = f", {result.matching} of {result.of} files" if result.of else ""
            _say(f"{result.name}: {result.status}{count}")
            for file in result.differing:
                _say(f"  differs from CrossFit's: {file}")
            for file in result.changed:
                _say(f"  changed since it was built: {file}")
        _say(summary_line(results))
    return 0 if all(result.passed for result in results) else 1


def mirror_folder(given: str | None, source: str) -> Path | None:
    """Return the mirror's folder: as given, or for the mirror source as DPF_MIRROR says."""
    if given is None and source == "mirror":
        given = os.environ.get(MIRROR_VARIABLE)
    return Path(given) if given else None


def _check_folders(args: argparse.Namespace) -> None:
    from dpf_core.gym.sources import FOLDER_SOURCES

    if args.mirror is not None and args.source not in FOLDER_SOURCES:
        raise ConfigError(
            f"--mirror must come with --source mirror or hub, got --source {args.source} and "
            f"--mirror {args.mirror}. Leave --mirror out, or build from the mirror."
        )
    if args.incoming is not None and not args.incoming.is_dir():
        raise ConfigError(
            f"--incoming must be a folder of task folders, got {args.incoming}. Correct the path."
        )


def _add_build(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    build = commands.add_parser(
        "build",
        help="write tasks as few-shot TSV files with a manifest",
        description="Write DIR/<task>/<task>_<shots>_<seed>_<train,dev,test>.tsv, all training "
        "rows and DIR/manifest.json. The folder is replaced only when every task is built. Without "
        "--out, run the stage: `dvc repro ingest`.",
    )
    build.add_argument(
        "--source", metavar="SOURCE", help="where rows come from: starter, mirror or hub"
    )
    build.add_argument(
        "--mirror",
        metavar="DIR",
        help="folder of parquet files, <id>/<config>/<split>.parquet "
        f"(default: ${MIRROR_VARIABLE}); with --source hub a folder of data-set repositories, "
        "<namespace>/<name>, that is read instead of the hub",
    )
    build.add_argument(
        "--tasks", metavar="A,B", help="task names, or all that the source has (default: all)"
    )
    build.add_argument("--incoming", type=Path, metavar="DIR", help="folder with your own tasks")
    build.add_argument("--out", type=Path, metavar="DIR", help="the gym's folder")
    build.add_argument("--jobs", type=_positive, metavar="N", help="processes (default: 1)")
    build.add_argument("--json", action="store_true", help="print the manifest as JSON")
    build.set_defaults(run=run_build)


def _add_list(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    listing = commands.add_parser(
        "list", help="show the known tasks", description="Show the known tasks of each source."
    )
    listing.add_argument("--source", metavar="SOURCE", help="starter, mirror or hub")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=run_list)


def _add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verify = commands.add_parser(
        "verify",
        help="compare a gym with CrossFit's fingerprints",
        description="Compare every file with CrossFit's MD5 and with the manifest. Exit code 1 if "
        "anything differs.",
    )
    verify.add_argument("--gym", type=Path, required=True, metavar="DIR", help="a built gym")
    verify.add_argument("--json", action="store_true", help="print JSON")
    verify.set_defaults(run=run_verify)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 1, got {text!r}")
    return int(text)


def _spec_row(spec: "TaskSpec") -> dict[str, Any]:
    fields = ("name", "kind", "category", "metric", "shots", "provenance", "licence")
    return {field: getattr(spec, field) for field in fields}


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _say_json(value: Any) -> None:
    _say(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))
