"""The commands `dpf gym new` and `dpf gym check`, for tasks of one's own."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.paths import INCOMING

if TYPE_CHECKING:
    from dpf_core.gym.task_check import TaskCheck


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `new` and `check`; each sets `run`, a function of the arguments."""
    _add_new(commands)
    _add_check(commands)


def run_new(args: argparse.Namespace) -> int:
    """Write a task folder to start from and say what comes next."""
    from dpf_core.gym.scaffold import new_task

    folder = new_task(args.name, args.kind, args.out, rows=args.rows)
    print(
        f"{folder}: replace the rows and task.yaml, then run `dpf gym check {folder}` and move the "
        f"folder into {INCOMING}/."
    )
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Print everything that is wrong with a task, or with each in a folder; 1 if anything is."""
    from dpf_core.gym.task_check import check_tasks

    checks = check_tasks(args.directory, limit=args.limit)
    if args.json:
        print(json.dumps([check.to_json() for check in checks], indent=2, ensure_ascii=False))
    else:
        print("\n".join(line for check in checks for line in describe_check(check)))
    return 0 if all(check.passed for check in checks) else 1


def describe_check(check: "TaskCheck") -> list[str]:
    """Return a line for the task, and one for each thing to say about it."""
    rows = " and ".join(f"{count} {split} rows" for split, count in check.rows.items())
    count = len(check.problems) + sum(check.unlisted.values())
    verdict = f"{count} problem{'s' if count > 1 else ''}" if count else "ready"
    return [
        f"{check.name}: {verdict}, {rows or 'no rows'}",
        *(f"  {problem}" for problem in check.problems),
        *(f"  {file}: {count} further problems" for file, count in check.unlisted.items()),
        *(f"  {file} is not read" for file in check.unread),
    ]


def _add_new(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    new = commands.add_parser(
        "new",
        help="start a task of your own",
        description="Write OUT/NAME/ with a commented task.yaml and a few example rows, which "
        "`dpf gym check` finds ready.",
    )
    new.add_argument("name", metavar="NAME", help="the task's name")
    new.add_argument(
        "--kind", required=True, metavar="KIND", help="classification, multiple_choice or text"
    )
    new.add_argument(
        "--rows", default="tsv", metavar="FORMAT", help="tsv, csv, jsonl or parquet (default: tsv)"
    )
    new.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="where (default: this folder)"
    )
    new.set_defaults(run=run_new)


def _add_check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    check = commands.add_parser(
        "check",
        help="say all that is wrong with your own tasks",
        description="Check a task's folder, or each task in a folder: names, task.yaml, every row "
        "with its line, and a build for trial. Exit code 1 if anything is wrong.",
    )
    check.add_argument(
        "directory", type=Path, metavar="DIR", help="a task's folder, or a folder of them"
    )
    check.add_argument(
        "--limit",
        type=_natural,
        default=100,
        metavar="N",
        help="problems that are listed of one file (default: 100)",
    )
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(run=run_check)


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number >= 0, got {text!r}")
    return int(text)
