"""`dpf evaluate --suite` and `dpf suites`, thin over pipeline/suites.py."""

import argparse
import json
import sys

from pipeline import paths

_OWN_SUITE = """\
A suite of your own is a YAML file:

  name: mine
  description: What it measures.
  tasks:                     # or a plain list of task names
    reviews:                 # scored by the gym's metric for it
    questions:
      own: [ACC, EM]         # the mean of these is the task's score
      subjects:              # where inputs begin with a subject and a colon
        sciences: [physics, biology]
        arts: [music]
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of suites to `dpf evaluate`."""
    parser.add_argument(
        "--suite",
        metavar="NAME",
        help="score a suite instead: superglue, mmlu, one of CrossFit's partitions, or a .yaml "
        "file (`dpf suites` lists them); prints the scores, and with --out writes DIR/suite-NAME"
        ".json",
    )
    parser.add_argument(
        "--context-shots",
        type=int,
        default=0,
        metavar="K",
        help="solved rows before each row of a suite, for a decoder: the first K training rows of "
        "the task in the gym's file, of the row's own subject in MMLU (its dev rows); a row that "
        "leaves no room for K within the pool's backbone.max_length has fewer, and is counted "
        "(default: 0)",
    )


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `dpf suites`."""
    parser = subparsers.add_parser(
        "suites",
        help="list the suites",
        description="List the suites that `dpf evaluate --suite` knows, with their tasks.",
        epilog=_OWN_SUITE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_list)


def run_suite(args: argparse.Namespace) -> int:
    """Score the project's pool, or another one, on a suite."""
    from dpf_core.config import EvaluateConfig, RuntimeConfig
    from dpf_core.evaluation.suites.catalogue import load_suite
    from dpf_core.files import write_json
    from pipeline import suites
    from pipeline.params import load_config, parse_overrides
    from pipeline.stage_cli import own_folder, params_of
    from pipeline.suite_table import suite_table

    out = None if args.out is None else own_folder(args.out)
    overrides = parse_overrides(args.set or [], RuntimeConfig, EvaluateConfig)
    scored = suites.run_suite(
        load_suite(args.suite),
        gym=args.gym or paths.GYM,
        pool=args.pool or paths.POOL,
        runtime=load_config(RuntimeConfig, params_of(args), overrides),
        config=load_config(EvaluateConfig, params_of(args), overrides),
        context_shots=args.context_shots,
    )
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / f"suite-{scored.result['suite']}.json", scored.result)
    if args.json:
        print(json.dumps(scored.result, indent=2, sort_keys=True, ensure_ascii=False))
    else:
        print(suite_table(scored.result))
    print(f"scored in {scored.seconds:.1f} s", file=sys.stderr)
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Print every suite that has a name."""
    from dpf_core.evaluation.suites.catalogue import load_suite, suite_names
    from pipeline.suite_table import align

    suites = [load_suite(name) for name in suite_names()]
    if args.json:
        rows = {
            suite.name: {
                "description": suite.description,
                "reference": suite.reference,
                "tasks": [member.task for member in suite.members],
                "sources": list(suite.sources),
            }
            for suite in suites
        }
        print(json.dumps(rows, indent=2, sort_keys=True, ensure_ascii=False))
    else:
        lines = [(s.name, str(len(s.members)), str(len(s.sources)), s.description) for s in suites]
        print(align([("suite", "tasks", "sources", "what it is"), *lines]))
    return 0
