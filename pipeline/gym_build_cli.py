"""The command `dpf gym build`; what it does is in dpf_core.gym.build."""

import argparse
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

from dpf_core.errors import ConfigError
from pipeline.stage_cli import own_folder, reproduce

MIRROR_VARIABLE = "DPF_MIRROR"
_MOST_JOBS = 8


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `build`; it sets `run`, a function of the arguments."""
    build = commands.add_parser(
        "build",
        help="write tasks as few-shot TSV files with a manifest",
        description="Write DIR/<task>/<task>_<shots>_<seed>_<train,dev,test>.tsv, all training "
        "rows and DIR/manifest.json. Tasks of an earlier gym in DIR that are unchanged are taken "
        "over; the folder is replaced only at the end. With --tasks all, a task that cannot be "
        "built does not stop the others. Without --out, run the stage: `dvc repro ingest`.",
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
        "--tasks",
        metavar="A,B",
        help="task names; or all, or kinds, that the source has (default: all)",
    )
    build.add_argument("--incoming", type=Path, metavar="DIR", help="folder with your own tasks")
    build.add_argument("--out", type=Path, metavar="DIR", help="the gym's folder")
    build.add_argument(
        "--jobs", type=_positive, metavar="N", help=f"processes (default: cores, <= {_MOST_JOBS})"
    )
    build.add_argument(
        "--rebuild", action="store_true", help="build every task, unchanged ones too"
    )
    build.add_argument("--json", action="store_true", help="print the manifest as JSON")
    build.set_defaults(run=run_build)


def run_build(args: argparse.Namespace) -> int:
    """Build the chosen tasks into a folder and say what was built.

    Raises:
        DPFError: An argument, a source or a row is wrong; an earlier gym is untouched.
    """
    if args.out is None:
        unused = ("source", "mirror", "tasks", "incoming", "jobs", "json", "rebuild")
        return reproduce("ingest", args, unused=unused)
    from dpf_core.gym.build import build_gym
    from dpf_core.gym.catalogue import select_tasks
    from dpf_core.gym.recipes import recipes_path
    from dpf_core.gym.sources import open_source
    from pipeline.gym_progress import progress

    _check_arguments(args)
    start = time.perf_counter()
    source = open_source(args.source, mirror_dir=mirror_folder(args.mirror, args.source))
    names = "all" if args.tasks is None else args.tasks
    selection = select_tasks(source, names.split(","))
    out = own_folder(args.out)
    if args.rebuild:
        recipes_path(out).unlink(missing_ok=True)
    hows: Counter[str] = Counter()
    with progress(hows) as watch:
        manifest = build_gym(
            source,
            selection.specs,
            out,
            jobs=args.jobs or min(_MOST_JOBS, os.cpu_count() or 1),
            incoming=args.incoming,
            missing=selection.missing,
            watch=watch,
        )
    _say_ignored(args.incoming)
    seconds = time.perf_counter() - start
    if args.json:
        from dpf_core.gym.coverage import coverage

        rows = [row.to_json() for row in coverage(manifest)]
        value = manifest.to_json() | {"coverage": rows, "built": dict(hows), "out": str(args.out)}
        _say(json.dumps(value | {"seconds": seconds}, indent=2, sort_keys=True, ensure_ascii=False))
    else:
        from pipeline.gym_summary import describe_build

        counts = ", ".join(f"{count} {how}" for how, count in hows.items())
        _say(f"{describe_build(manifest)}\n{counts} in {seconds:.1f} s")
    return 0


def mirror_folder(given: str | None, source: str) -> Path | None:
    """Return the mirror's folder: as given, or for the mirror source as DPF_MIRROR says."""
    if given is None and source == "mirror":
        given = os.environ.get(MIRROR_VARIABLE)
    return Path(given) if given else None


def _check_arguments(args: argparse.Namespace) -> None:
    from dpf_core.gym.incoming import TASK_FILE
    from dpf_core.gym.sources import FOLDER_SOURCES

    if args.source is None:
        raise ConfigError(
            "--source must come with --out, got none (dpf gym build). Add --source starter, "
            "--source mirror or --source hub."
        )
    if args.mirror is not None and args.source not in FOLDER_SOURCES:
        raise ConfigError(
            f"--mirror must come with --source mirror or hub, got --source {args.source} and "
            f"--mirror {args.mirror}. Leave --mirror out, or build from the mirror."
        )
    if args.incoming is not None and not args.incoming.is_dir():
        raise ConfigError(
            f"--incoming must be a folder of task folders, got {args.incoming}. Correct the path."
        )
    if args.incoming is not None and (args.incoming / TASK_FILE).is_file():
        raise ConfigError(
            f"--incoming must be the folder that holds task folders, got the task folder "
            f"{args.incoming} itself. Name its parent, {args.incoming.parent}."
        )


def _say_ignored(incoming: Path | None) -> None:
    from pipeline.incoming import ignored_folders

    if incoming is not None:
        for sentence in ignored_folders(incoming, shown=incoming):
            print(sentence, file=sys.stderr)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 1, got {text!r}")
    return int(text)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
