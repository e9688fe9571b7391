"""`dpf science study`, `matrix` and `append`: what settings, prompts and new tasks do, thinly."""

import argparse
import contextlib
import json
import sys
from typing import TYPE_CHECKING

from pipeline.science_arguments import (
    add_command,
    add_jobs,
    add_rows,
    jobs_of,
    layout_of,
    open_science,
    settings_of,
)

if TYPE_CHECKING:
    from pipeline.science.studies import Studies


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the commands."""
    _add_study(commands)
    _add_matrix(commands)
    _add_append(commands)


def _add_study(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_command(
        commands,
        "study",
        run_study,
        "vary one setting at a time",
        "Run what is missing of the studies in pipeline/science/studies.yaml: source models first, "
        "then cells, each written when it is done. Then write data/metrics/studies.json.",
    )
    parser.add_argument(
        "studies", nargs="*", metavar="STUDY", help="studies of studies.yaml (default: all)"
    )
    parser.add_argument(
        "--list", action="store_true", help="run and write nothing, say what the records hold"
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="drop recorded cells of another setup, as of other settings or another torch",
    )
    add_rows(parser)
    add_jobs(parser)


def _add_matrix(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_command(
        commands,
        "matrix",
        run_matrix,
        "try each source task's prompt on each target",
        "Let each target's head learn beside each source task's frozen prompt, and beside none, on "
        "the rows of one seed; dev scores and the mixing weights of the pool go into "
        "data/metrics/science/matrix.json. No test row is read.",
    )
    add_rows(parser)
    add_jobs(parser)


def _add_append(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_command(
        commands,
        "append",
        run_append,
        "let every target join the pool",
        "Adapt every target beside the pool, which stays as it is, join them one after another, "
        "and compare the earlier tasks' fused prompts and logits bit by bit. Writes "
        "data/metrics/science/append.json.",
    )
    parser.add_argument(
        "method", nargs="?", metavar="METHOD", help="of dpf (default: the challenger)"
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="few-shot seed (default: the first of gym.seeds)"
    )
    parser.add_argument("--json", action="store_true", help="print the record as JSON")
    add_rows(parser)


def run_append(args: argparse.Namespace) -> int:
    """Let every target join the pool, and say what changed."""
    from pipeline.science.appending import append_targets, describe, has_changed
    from pipeline.science.settings import check_choice
    from pipeline.science.tuning import Sweep

    settings, layout = settings_of(args), layout_of(args)
    name = args.method or settings.gain.challenger
    seed = settings.gym.seeds[0] if args.seed is None else args.seed
    check_choice(seed, settings.gym.seeds, "a seed")
    Sweep(settings, layout, name).require()
    record = append_targets(open_science(args, jobs=1), name, seed)
    print(json.dumps(record, indent=2) if args.json else describe(record))
    return int(has_changed(record))


def run_matrix(args: argparse.Namespace) -> int:
    """Fill what the transfer matrix lacks."""
    from pipeline.science import matrix
    from pipeline.science.tuning import Sweep

    settings, layout = settings_of(args), layout_of(args)
    jobs = jobs_of(settings, args)
    Sweep(settings, layout, matrix.parts_of(settings).heads).require()
    done = matrix.run_matrix(open_science(args, jobs), num_processes=jobs)
    print(f"{done.ran} targets, {done.kept} were there\n{layout.matrix}")
    return 0


def run_study(args: argparse.Namespace) -> int:
    """Run what is missing of studies, and write their summary."""
    from pipeline.science.curves import build_studies, describe, write_studies
    from pipeline.science.studies_file import load_studies

    layout = layout_of(args)
    studies = load_studies(layout.study_params, settings_of(args))
    names = [studies.study(name).name for name in args.studies] or list(studies.studies)
    if not args.list:
        with contextlib.redirect_stdout(sys.stderr if args.json else sys.stdout):
            _run(args, studies, list(dict.fromkeys(names)))
    summary = (build_studies if args.list else write_studies)(layout)
    asked = {name: found for name, found in summary["studies"].items() if name in names}
    print(json.dumps(summary | {"studies": asked}, indent=2) if args.json else describe(asked))
    return 0


def _run(args: argparse.Namespace, studies: "Studies", names: list[str]) -> None:
    from pipeline.science.studying import run_studies
    from pipeline.science.tuning import Sweep

    settings = settings_of(args)
    jobs = jobs_of(settings, args)
    Sweep(settings, layout_of(args), studies.method).require()
    place = open_science(args, jobs)
    done = run_studies(place, studies, names, num_processes=jobs, replace=args.replace)
    print(f"{done.ran} cells, {done.kept} were there")
