"""`dpf autotune`, thin over pipeline/autotuning.py, and its tables."""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from dpf_core.config import Precision
from dpf_core.errors import ConfigError
from pipeline import paths

_HEADER = ("examples/s", "rows/s", "x slowest", "of fastest", "loss diff", "")
_ENDED = {"slow": "dropped: too slow", "limit": "out of time", "memory": "out of memory"}
_VARIED = (("precision", "attention"), ("batch_tokens", "num_threads"))
"""Parameters that the first table varies, and the second."""
_CUT_SHORT = (
    "note: time ran out, so medians are of fewer turns and may mislead. Raise --limit, or measure "
    "again when the machine does nothing else."
)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `dpf autotune`."""
    parser = subparsers.add_parser(
        "autotune",
        help="measure which precision and attention are fastest here",
        description="Measure training steps and forward passes of the backbone on this machine, "
        "with every allowed combination of precision and attention, and print the lines to set in "
        "params.yaml. Combinations take turns; the first have two examples, and what takes over "
        "three times as long as the fastest, twice, is dropped. Losses are compared with those of "
        "the first precision. Prompts and optimiser state are fp32 always. Writes nothing. Leave "
        "the machine alone meanwhile.",
        epilog="For instance: dpf autotune --precisions fp32 --batch-tokens 2048 4096 --threads 1 "
        "2. Precision, batch size and number of threads change the last bits of a result, and bf16 "
        "more than that: loss diff is the largest difference of a task's loss, in nats.",
    )
    add = parser.add_argument
    gym = f"a built gym, whose training rows are run (default: {paths.GYM})"
    add("--gym", type=Path, default=paths.GYM, metavar="DIR", help=gym)
    add(
        "--precisions",
        nargs="+",
        choices=get_args(Precision),
        default=list(get_args(Precision)),
        metavar="P",
        help="fp32, bf16 or both (default: both)",
    )
    more = "then, with the fastest, {} too, besides {}"
    add(
        "--batch-tokens",
        nargs="+",
        type=int,
        default=[],
        metavar="N",
        help=more.format("these padded tokens of a forward pass", "backbone.batch_tokens"),
    )
    add(
        "--threads",
        nargs="+",
        type=int,
        default=[],
        metavar="N",
        help=more.format("these numbers of threads", "runtime.num_threads"),
    )
    add(
        "--repeats",
        type=int,
        default=5,
        metavar="N",
        help="turns of each combination after the first ones; medians are shown (default: 5)",
    )
    add(
        "--limit",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="begin no turn after so long, for each of the two tables (default: 120)",
    )
    add(
        "--params",
        type=Path,
        default=Path("params.yaml"),
        metavar="FILE",
        help="parameters (default: params.yaml)",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="replace a parameter for this run, for instance backbone.max_length=64; repeatable",
    )
    add("--json", action="store_true", help="print what was measured as JSON")
    parser.set_defaults(run=run_autotune)


def run_autotune(args: argparse.Namespace) -> int:
    """Measure, and print tables and the parameters to set.

    Raises:
        DPFError: An argument, a setting, the gym or the backbone is wrong.
    """
    _check(args)
    from dpf_core.config import BackboneConfig, ModelConfig, RuntimeConfig, TrainConfig
    from pipeline import autotuning
    from pipeline.params import load_config, parse_overrides
    from pipeline.training import TrainSettings

    overrides = parse_overrides(args.set, RuntimeConfig, BackboneConfig, ModelConfig, TrainConfig)
    settings = TrainSettings(
        runtime=load_config(RuntimeConfig, args.params, overrides),
        backbone=load_config(BackboneConfig, args.params, overrides),
        model=load_config(ModelConfig, args.params, overrides),
        train=load_config(TrainConfig, args.params, overrides),
    )
    choices = autotuning.Choices(
        precisions=tuple(dict.fromkeys(args.precisions)),
        batch_tokens=tuple(args.batch_tokens),
        num_threads=tuple(args.threads),
        repeats=args.repeats,
        limit_seconds=args.limit,
    )
    result = autotuning.run_autotune(args.gym, settings, choices)
    print(json.dumps(result, indent=2, sort_keys=True) if args.json else tables(result))
    return 0


def tables(result: Mapping[str, Any]) -> str:
    """Return what was measured, and the lines to set in params.yaml."""
    from pipeline.suite_table import align

    title = (
        f"{result['backbone']} ({result['model_type']}) on {result['device']}: training steps of "
        f"{result['train_examples']} examples, forward passes of {result['forward_rows']} rows; "
        f"medians of {result['repeats']} turns; losses against "
        f"{result['reference']['precision']}, {result['reference']['attention']}"
    )
    parts = [title]
    for names, rows in zip(_VARIED, result["rounds"], strict=False):
        lines = [
            (", ".join(names), *_HEADER),
            *(_line(names, row, result["repeats"]) for row in rows),
        ]
        parts.append(align(lines))
    if any(row["ended"] == "limit" for rows in result["rounds"] for row in rows):
        parts.append(_CUT_SHORT)
    parts.append("params.yaml:\n" + "\n".join(_yaml(result["recommended"], result["current"])))
    return "\n\n".join(parts)


def _line(names: Sequence[str], row: Mapping[str, Any], repeats: int) -> tuple[str, ...]:
    name = ", ".join(str(row[name]) for name in names)
    notes = [_ENDED[row["ended"]]] if row["ended"] else []
    if not row["turns"]:
        rate = row["pilot_examples_per_second"]
        notes += [f"{rate:.2g} examples/s, two alone"] if rate else []
        return (name, *"-----", "; ".join(notes))
    return (
        name,
        f"{row['train_examples_per_second']:.1f}",
        f"{row['forward_rows_per_second']:.1f}",
        f"{row['times_the_slowest']:.2f}",
        f"{row['share_of_the_fastest']:.0%}",
        f"{row['loss_difference']:.0e}",
        "; ".join([*notes, f"{row['turns']} of {repeats} turns"] if notes else []),
    )


def _yaml(
    recommended: Mapping[str, Mapping[str, Any]], current: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Return the lines to set, each with whether it stands already."""
    lines = []
    for section, values in recommended.items():
        lines.append(f"{section}:")
        for key, value in values.items():
            now = current[section][key]
            lines.append(f"  {key}: {value}  # {'stands' if now == value else f'now {now}'}")
    return lines


def _check(args: argparse.Namespace) -> None:
    if args.repeats < 1:
        raise ConfigError(f"--repeats must be >= 1, got {args.repeats}. Leave it out for 5.")
    if not (args.limit > 0 and math.isfinite(args.limit)):
        raise ConfigError(f"--limit must be seconds > 0, got {args.limit}. Leave it out for 120.")
    for word in args.set:
        key = word.partition("=")[0]
        if key in {"backbone.precision", "backbone.attention"}:
            raise ConfigError(
                f"--set must leave {key} alone, got {word!r}: it is what is measured. Leave it "
                "out, or choose with --precisions."
            )
