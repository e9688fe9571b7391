"""`dpf science`: how well prompts transfer, thin over pipeline/science/."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import study_cli
from pipeline.science_arguments import (
    EPILOG,
    add_command,
    add_jobs,
    add_rows,
    jobs_of,
    layout_of,
    open_science,
    settings_of,
)

if TYPE_CHECKING:
    from pipeline.science.settings import ScienceSettings


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `dpf science` and its commands; each sets `run`, a function of the arguments."""
    parser = subparsers.add_parser(
        "science",
        help="measure how well prompts transfer to new tasks",
        description="Train source models, adapt each method to few-shot targets, and compare: "
        "Prompt Transfer Gain with intervals, as pipeline/science/params.yaml says.",
        epilog=EPILOG,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_check(commands)
    _add_tune(commands)
    _add_run(commands)
    _add_cell(commands)
    _add_reference(commands)
    _add_status(commands)
    _add_transfer(commands)
    study_cli.add_to(commands)
    _add_report(commands)


def run_check(args: argparse.Namespace) -> int:
    """Build the gym and check it."""
    from pipeline.science.protocol import build_protocol

    jobs = jobs_of(settings_of(args), args)
    record = build_protocol(layout_of(args), mirror=args.mirror, jobs=jobs, source=args.source)
    counts = [f"{len(record[part])} {part}" for part in ("targets", "sources", "leaks")]
    print(", ".join(counts))
    return 0


def run_tune(args: argparse.Namespace) -> int:
    """Tune methods on dev rows."""
    from pipeline.science.running import tune
    from pipeline.science.tuning import Sweep

    settings = settings_of(args)
    names, jobs = _methods(settings, args), jobs_of(settings, args)
    place = open_science(args, jobs)
    done = tune(place, names, num_processes=jobs)
    print(f"{done.ran} runs, {done.kept} were there")
    for name in names:
        sweep = Sweep(place.settings, place.layout, name)
        print(f"{name}: {json.dumps(dict(sweep.method.sweep[sweep.require()].values))}")
    return 0


def run_cells(args: argparse.Namespace) -> int:
    """Run the missing cells of methods."""
    from pipeline.science import running
    from pipeline.science.tuning import Sweep

    settings = settings_of(args)
    names, jobs = _methods(settings, args), jobs_of(settings, args)
    for name in names:
        Sweep(settings, layout_of(args), name).require()
    done = running.run_cells(
        open_science(args, jobs), names, num_processes=jobs, replace=args.replace
    )
    print(f"{done.ran} cells, {done.kept} were there")
    return 0


def run_cell(args: argparse.Namespace) -> int:
    """Run one cell again and compare it with the record."""
    from pipeline.science.one_cell import check_cell, compare, describe

    check_cell(settings_of(args), layout_of(args), args.method, args.task, args.seed)
    result = compare(open_science(args, jobs=1, record=False), args.method, args.task, args.seed)
    print(json.dumps(result, indent=2) if args.json else describe(result))
    return 0


def run_reference(args: argparse.Namespace) -> int:
    """Tune and run what stands beside the table."""
    from pipeline.science import reference_running as running
    from pipeline.science.references import REFERENCES
    from pipeline.science.settings import check_choice

    check_choice(args.name, REFERENCES, "a reference")
    jobs = jobs_of(settings_of(args), args)
    place = open_science(args, jobs)
    reference = running.open_reference(place, args.name)
    if reference.left_out:
        print(f"no classification, left out: {', '.join(reference.left_out)}")
    done = running.run_reference(place, reference, num_processes=jobs)
    print(f"{done.ran} cells, {done.kept} were there")
    return 0


def run_status(args: argparse.Namespace) -> int:
    """Print how many cells are there."""
    from pipeline.science.status import describe, status

    result = status(layout_of(args))
    print(json.dumps(result, indent=2) if args.json else describe(result))
    return 0


def run_transfer(args: argparse.Namespace) -> int:
    """Write the table of gains, or print that of fewer targets."""
    from pipeline.science.transfer import build_transfer, describe, write_transfer

    layout = layout_of(args)
    if args.without:
        table = build_transfer(layout, without=args.without)
        last = f"without {', '.join(args.without)}; {layout.transfer} is as it was"
    else:
        table, last = write_transfer(layout), str(layout.transfer)
    print(json.dumps(table, indent=2) if args.json else f"{describe(table)}\n{last}")
    return 0


def run_report(args: argparse.Namespace) -> int:
    """Write the page."""
    from pipeline.science.report import write_report
    from pipeline.stage_cli import own_folder

    print(write_report(layout_of(args), own_folder(args.out)))
    return 0


def _add_check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_command(
        commands,
        "check",
        run_check,
        "build the rows and look for leaks",
        "Build the gym of targets and sources, check that every target has few-shot files for "
        "every seed, and look for rows that a source shares with a target.",
    )
    add_rows(parser)
    add_jobs(parser)


def _add_tune(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_command(
        commands,
        "tune",
        run_tune,
        "choose each method's settings on dev rows",
        "Try every point of a method's sweep on the few-shot dev rows of a few targets, with one "
        "seed. Test files are not read. What was tried before is not run again.",
    )
    _add_methods(parser)
    add_rows(parser)
    add_jobs(parser)


def _add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_command(
        commands,
        "run",
        run_cells,
        "run the cells that are missing",
        "Adapt methods to every target with every seed and score the test files. Each cell is "
        "written when it is done, so an interrupted run goes on where it was.",
    )
    _add_methods(parser)
    add_rows(parser)
    add_jobs(parser)
    parser.add_argument(
        "--replace",
        action="store_true",
        help="drop recorded cells of another setup, as of another torch",
    )


def _add_cell(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_command(
        commands,
        "cell",
        run_cell,
        "run one cell again",
        "Run one cell, whatever is recorded, and print its score beside the recorded one.",
    )
    parser.add_argument("method", metavar="METHOD", help="a method of params.yaml")
    parser.add_argument("task", metavar="TASK", help="a target")
    parser.add_argument("seed", metavar="SEED", type=int, help="a few-shot seed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_rows(parser)


def _add_reference(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_command(
        commands,
        "reference",
        run_reference,
        "run what a user of PEFT would run instead",
        "Tune and run PEFT's own prompt tuning, or multitask prompt tuning, under the Trainer: on "
        "the same rows, with the same steps, batch and prompt length as the baseline. Targets that "
        "are no classification are left out and named. The table shows it beside its methods.",
    )
    parser.add_argument("name", metavar="NAME", help="peft_prompt_tuning or peft_mpt")
    add_rows(parser)
    add_jobs(parser)


def _add_status(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_command(
        commands,
        "status",
        run_status,
        "say what is there",
        "Count the cells that follow from the settings as they are. Reads records alone.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_transfer(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_command(
        commands,
        "transfer",
        run_transfer,
        "write the table of gains",
        "Write data/metrics/transfer.json from the records: every score, and Prompt Transfer Gain "
        "with its companions where all cells of a method and of the baseline are there.",
    )
    parser.add_argument(
        "--without",
        nargs="+",
        default=[],
        metavar="TARGET",
        help="print the table of the other targets, and write nothing",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_command(
        commands,
        "report",
        run_report,
        "write the table as one HTML page",
        "Write index.html with figures from the records and data/metrics/transfer.json.",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for index.html"
    )


def _add_methods(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "methods", nargs="*", metavar="METHOD", help="methods of params.yaml (default: all)"
    )


def _methods(settings: "ScienceSettings", args: argparse.Namespace) -> list[str]:
    for name in args.methods:
        settings.method(name)
    return list(dict.fromkeys(args.methods)) or list(settings.methods)
