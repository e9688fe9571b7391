"""The command `dpf gym validate`: the checks of the validate stage, for a gym of one's own."""

import argparse
import json
from pathlib import Path

from pipeline.stage_cli import own_folder, params_of, reproduce

METRICS_FILE = "validate.json"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `validate`; it sets `run`, a function of the arguments."""
    parser = commands.add_parser(
        "validate",
        help="check every row, and write a page and data cards",
        description="Check a built gym by the limits of params.yaml, section validate. Write "
        f"index.html, a data card for each task in tasks/, and {METRICS_FILE}. Exit code 1 if "
        "anything is critical. Without --out, run the stage: `dvc repro validate`.",
    )
    parser.add_argument("--gym", type=Path, metavar="DIR", help="a built gym")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the pages")
    parser.add_argument(
        "--params", type=Path, metavar="FILE", help="parameters (default: params.yaml)"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.set_defaults(run=run_validate)


def run_validate(args: argparse.Namespace) -> int:
    """Check a gym and write its pages; 1 if anything is critical.

    Raises:
        DPFError: An argument or a parameter is wrong, or the folder is no gym.
    """
    if args.out is None:
        return reproduce("validate", args, unused=("gym", "params", "json"))
    from dpf_core.files import write_json
    from pipeline.params import load_section
    from pipeline.paths import GYM
    from pipeline.validation import validate_gym
    from pipeline.validation_config import ValidateConfig
    from pipeline.validation_page import write_pages
    from pipeline.validation_words import say_findings

    out = own_folder(args.out)
    config = ValidateConfig.from_section(load_section("validate", params_of(args)))
    report = validate_gym(args.gym or GYM, config, memory=out / ".reports")
    page = write_pages(report, config, out)
    write_json(out / METRICS_FILE, report.to_json())
    if args.json:
        print(json.dumps(report.to_json(), indent=2, sort_keys=True, ensure_ascii=False))
    else:
        say_findings(report, page)
    return 1 if report.of("critical") else 0
