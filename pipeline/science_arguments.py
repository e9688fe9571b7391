"""What the commands of `dpf science` have in common: arguments, and what follows from them."""

import argparse
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dpf_core.errors import DPFError

if TYPE_CHECKING:
    from pipeline.science.jobs import Place
    from pipeline.science.layout import Layout
    from pipeline.science.settings import ScienceSettings

EPILOG = (
    "Rows come from a mirror of CrossFit's sources, --mirror DIR or DPF_MIRROR, or from the hub, "
    "--source hub. They are built once, into data/science/. `dpf science tune`, `dpf science run` "
    "and `dpf science transfer`, in this order, make all that is missing."
)


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    description: str,
) -> argparse.ArgumentParser:
    """Register a command of `dpf science` in a project folder and return its parser."""
    parser = commands.add_parser(name, help=summary, description=description, epilog=EPILOG)
    parser.add_argument(
        "--project",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder that holds pipeline/science/params.yaml and data/ (default: this one)",
    )
    parser.add_argument(
        "--params",
        type=Path,
        metavar="FILE",
        help="other settings, such as pipeline/science/configurations/t5.yaml; what follows from "
        "them lies in configurations/NAME of data/science/ and data/metrics/science/",
    )
    parser.set_defaults(run=functools.partial(_run_of_params, run))
    return parser


def _run_of_params(run: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    """Run a command; with --params, what is refused names the file, for cures need the option."""
    try:
        return run(args)
    except DPFError as error:
        if args.params is not None:
            error.args = (f"{error} (every command with --params {args.params})",)
        raise


def add_rows(parser: argparse.ArgumentParser) -> None:
    """Let a command build rows that are not there yet."""
    parser.add_argument(
        "--mirror", metavar="DIR", help="folder of parquet files (default: $DPF_MIRROR)"
    )
    parser.add_argument(
        "--source",
        choices=("mirror", "hub"),
        default="mirror",
        help="of rows that are not built yet (default: mirror)",
    )


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Let a command be told in how many processes it runs."""
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="processes, >= 1; results do not depend on it (default: cores divided by "
        "runtime.num_threads, at most 8; on a GPU 1)",
    )


def layout_of(args: argparse.Namespace) -> "Layout":
    """Return where the project's files are."""
    from pipeline.science.layout import Layout

    return Layout.below(args.project, args.params)


def settings_of(args: argparse.Namespace) -> "ScienceSettings":
    """Return the settings of the project.

    Raises:
        ConfigError: They are wrong.
    """
    from pipeline.science.settings_file import load_science

    return load_science(layout_of(args).params)


def open_science(args: argparse.Namespace, jobs: int, *, record: bool = True) -> "Place":
    """Open the science, which may build its rows: what can be refused before, is before.

    Raises:
        DPFError: Rows or settings are wrong.
    """
    from pipeline.science.protocol import open_place

    return open_place(
        layout_of(args), mirror=args.mirror, jobs=jobs, record=record, source=args.source
    )


def jobs_of(settings: "ScienceSettings", args: argparse.Namespace) -> int:
    """Return the number of processes.

    Raises:
        ConfigError: It is out of range.
    """
    from pipeline.science.jobs import check_jobs, default_jobs

    return default_jobs(settings) if args.jobs is None else check_jobs(args.jobs)
