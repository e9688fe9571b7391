"""The command `dpf gym leaks`; what a leak is, is in dpf_core.gym.leaks."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dpf_core.errors import ConfigError

if TYPE_CHECKING:
    from dpf_core.gym.leak_report import Leak, LeakReport, Overlap

_HEADERS = ("trained on", "scored on", "test rows", "", "few-shot rows", "")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `leaks`; it sets `run`, a function of the arguments."""
    parser = commands.add_parser(
        "leaks",
        help="find rows of one task that another is trained on",
        description="Compare the test and few-shot rows of every task with all training rows of "
        "every other task. A row leaks if a training row has the same words, or holds nearly all "
        "of its word trigrams.",
    )
    parser.add_argument("--gym", type=Path, required=True, metavar="DIR", help="a built gym")
    parser.add_argument(
        "--similarity",
        type=float,
        default=0.8,
        metavar="SHARE",
        help="share of a row's word trigrams that make a near copy (default: 0.8)",
    )
    parser.add_argument(
        "--above",
        type=float,
        default=0.01,
        metavar="SHARE",
        help="show leaks of more than this share of a task's rows (default: 0.01)",
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument("--json", action="store_true", help="print all leaks as JSON")
    parser.set_defaults(run=run_leaks)


def run_leaks(args: argparse.Namespace) -> int:
    """Print what each task's training rows hold of other tasks; finding leaks is no failure.

    Raises:
        DPFError: An argument is out of range, or the gym is damaged.
    """
    from dpf_core.gym.leaks import find_leaks

    if not 0 <= args.above <= 1:
        raise ConfigError(
            f"--above must be a share in [0, 1], got {args.above}. Use for instance 0.01."
        )
    report = find_leaks(args.gym, min_similarity=args.similarity, jobs=args.jobs)
    if args.json:
        groups = {"groups": report.groups(args.above), "above": args.above}
        print(json.dumps({**report.to_json(), **groups}, indent=2, sort_keys=True))
    else:
        print("\n".join(describe_leaks(report, args.above)))
    return 0


def describe_leaks(report: "LeakReport", above: float) -> Iterator[str]:
    """Yield a table of the leaks above a share, the groups that they make, and a sum."""
    shown = report.above(above)
    rows = [_HEADERS, *map(_cells, shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADERS))]
    for row in rows if shown else ():
        names = zip(row[:2], widths[:2], strict=True)
        counts = zip(row[2:], widths[2:], strict=True)
        yield "  ".join([t.ljust(w) for t, w in names] + [t.rjust(w) for t, w in counts]).rstrip()
    for group in report.groups(above):
        yield f"keep on one side of a transfer: {', '.join(group)}"
    yield (
        f"{len(shown)} leaks above {above:.1%}, {len(report.leaks) - len(shown)} below; "
        f"{report.num_tasks} tasks, {report.train_rows:,} training rows against "
        f"{report.target_rows:,} test and few-shot rows"
    )


def _cells(leak: "Leak") -> tuple[str, ...]:
    return (leak.source, leak.target, *_counts(leak.test), *_counts(leak.few_shot))


def _counts(overlap: "Overlap") -> tuple[str, str]:
    return f"{overlap.same + overlap.near:,} of {overlap.rows:,}", f"{overlap.share:.1%}"
