"""The commands `dpf gym list` and `verify`, and where the others of `dpf gym` are."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import gym_build_cli, leaks_cli, own_tasks_cli, validate_cli

if TYPE_CHECKING:
    from dpf_core.gym.spec import TaskSpec


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `gym` and its commands; each sets `run`, a function of the arguments."""
    gym = subparsers.add_parser(
        "gym", help="build, list and verify tasks", description="Tasks in CrossFit's format."
    )
    commands = gym.add_subparsers(title="commands", required=True, metavar="COMMAND")
    gym_build_cli.add_parser(commands)
    _add_list(commands)
    _add_verify(commands)
    validate_cli.add_parser(commands)
    leaks_cli.add_parser(commands)
    own_tasks_cli.add_parsers(commands)


def run_list(args: argparse.Namespace) -> int:
    """Print the tasks that a source is known to have."""
    from dpf_core.gym.catalogue import load_catalogue

    names = [args.source] if args.source else ["starter", "mirror"]
    rows = [
        {"source": name, **_spec_row(spec), **(_hub_row(spec) if name == "hub" else {})}
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


def _spec_row(spec: "TaskSpec") -> dict[str, Any]:
    fields = ("name", "kind", "category", "metric", "shots", "provenance", "licence")
    return {field: getattr(spec, field) for field in fields}


def _hub_row(spec: "TaskSpec") -> dict[str, Any]:
    """Return what is known of the task's source on the hub."""
    from dpf_core.gym.hub_table import hub_table

    entry = hub_table()[spec.source_id, spec.source_config]
    known = {"hub": entry.hub_id, "revision": entry.revision, "status": entry.status}
    return known | {"confirmed": entry.confirmed, "note": entry.note}


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
