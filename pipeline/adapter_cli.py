"""`dpf export --format peft`: adapters of a pool, apart from the export stage, which has none."""

import argparse
import json

from dpf_core.errors import ConfigError
from pipeline import paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what chooses adapters to `dpf export`."""
    parser.add_argument(
        "--format",
        choices=("onnx", "peft"),
        default="onnx",
        help="onnx (default), or peft: one prompt-tuning adapter for each task, without the heads "
        "of an encoder; needs --out",
    )


def run_export(args: argparse.Namespace) -> int:
    """Write one adapter for each task of the project's pool, or of another one.

    Raises:
        ConfigError: There is no --out, or --gym, which has no effect on adapters.
    """
    if args.out is None:
        raise ConfigError(
            "--format peft must come with --out, got no --out: the export stage, which runs "
            "without it, owns data/onnx and writes ONNX alone. Add --out DIR."
        )
    if args.gym is not None:
        raise ConfigError(
            f"--gym must come with --format onnx, got {args.gym} with peft: adapters are written "
            "from the pool alone. Leave it out."
        )
    from dpf_core.config import RuntimeConfig
    from dpf_core.export.peft_adapter import export_adapters
    from pipeline.exporting import load_for_export
    from pipeline.params import load_config, parse_overrides
    from pipeline.stage_cli import own_folder, params_of

    out = own_folder(args.out)
    overrides = parse_overrides(args.set or [], RuntimeConfig)
    _, model = load_for_export(
        args.pool or paths.POOL, load_config(RuntimeConfig, params_of(args), overrides)
    )
    adapters = export_adapters(model, out)
    if args.json:
        print(json.dumps({"adapters": adapters}, indent=2, sort_keys=True))
    else:
        print(f"{len(adapters)} adapters: {out}")
    return 0
