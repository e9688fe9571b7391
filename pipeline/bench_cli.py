"""`dpf bench`: benchmarks, thin over pipeline/bench/."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.bench.settings import BenchSettings

_TURNS = 7


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `dpf bench` and its benchmarks; each sets `run`, a function of the arguments."""
    parser = subparsers.add_parser(
        "bench",
        help="measure speed and memory",
        description="Measure in turns, A B A B, and give medians and ratios. Times of a busy "
        "machine are noise; ratios of neighbouring turns are not.",
    )
    benchmarks = parser.add_subparsers(title="benchmarks", required=True, metavar="BENCHMARK")
    _add_train(benchmarks)
    _add_gradnorm(benchmarks)
    _add_scale(benchmarks)
    _add_startup(benchmarks)
    _add_data(benchmarks)
    _add_serve(benchmarks)


def run_train(args: argparse.Namespace) -> int:
    """Measure our training beside PEFT's."""
    from pipeline.bench.clock import check_repeats
    from pipeline.bench.train import TrainPlan, bench_train
    from pipeline.bench.workload import open_gym

    check_repeats(args.repeats)
    plan = TrainPlan(repeats=args.repeats, turn_steps=args.turn_steps)
    with open_gym(args.gym, args.mirror) as gym:
        return _finish(args, bench_train(gym, _settings(args), plan))


def run_gradnorm(args: argparse.Namespace) -> int:
    """Measure what GradNorm costs."""
    from pipeline.bench.clock import check_repeats
    from pipeline.bench.gradnorm import GradNormPlan, bench_gradnorm
    from pipeline.bench.workload import open_gym

    check_repeats(args.repeats)
    with open_gym(args.gym, args.mirror) as gym:
        plan = GradNormPlan(repeats=args.repeats)
        return _finish(args, bench_gradnorm(gym, _settings(args), plan))


def run_scale(args: argparse.Namespace) -> int:
    """Measure what registered tasks and prompts cost that no batch needs."""
    from pipeline.bench.clock import check_repeats
    from pipeline.bench.scale import ScalePlan, bench_scale
    from pipeline.bench.workload import open_gym

    check_repeats(args.repeats)
    with open_gym(args.gym, args.mirror) as gym:
        plan = ScalePlan(repeats=args.repeats)
        return _finish(args, bench_scale(gym, _settings(args), plan))


def run_startup(args: argparse.Namespace) -> int:
    """Measure how long commands take before they work."""
    from pipeline.bench.clock import check_repeats
    from pipeline.bench.startup import bench_startup

    check_repeats(args.repeats)
    return _finish(args, bench_startup(repeats=args.repeats, root=Path()))


def run_data(args: argparse.Namespace) -> int:
    """Measure what rows cost before they are trained."""
    import dataclasses

    from pipeline.bench.clock import check_repeats
    from pipeline.bench.data import bench_data
    from pipeline.bench.workload import open_gym
    from pipeline.params import load_section
    from pipeline.validation_config import ValidateConfig

    check_repeats(args.repeats)
    config = ValidateConfig.from_section(load_section("validate", args.params))
    config = dataclasses.replace(config, max_rows=args.max_rows)
    with open_gym(args.gym, args.mirror) as gym:
        result = bench_data(gym, args.mirror, config, backbone=args.backbone, repeats=args.repeats)
        return _finish(args, result)


def run_serve(args: argparse.Namespace) -> int:
    """Measure the exported front end."""
    from pipeline.bench.clock import check_repeats
    from pipeline.bench.serve import bench_serve
    from pipeline.bench.workload import open_gym

    check_repeats(args.repeats)
    with open_gym(args.gym, args.mirror) as gym:
        return _finish(args, bench_serve(gym, _settings(args), repeats=args.repeats))


def _add_train(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _add(
        benchmarks,
        "train",
        run_train,
        "training beside PEFT's prompt tuning",
        "Train the same rows by our steps and by PEFT's prompt tuning under the Trainer.",
    )
    _add_rows(parser)
    _add_model(parser)
    parser.add_argument(
        "--turn-steps", type=_positive, default=4, metavar="N", help="steps a turn (default: 4)"
    )
    parser.add_argument(
        "--peer-learning-rate", type=float, metavar="RATE", help="of PEFT's side (default: 0.001)"
    )


def _add_gradnorm(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _add(
        benchmarks,
        "gradnorm",
        run_gradnorm,
        "the price of GradNorm",
        "Train with GradNorm, with equal weights, and with one backward pass for each task.",
    )
    _add_rows(parser)
    _add_model(parser)


def _add_scale(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _add(
        benchmarks,
        "scale",
        run_scale,
        "steps with up to 512 registered tasks, and pools of up to 256 prompts",
        "Train the same batches with 12 to 512 registered tasks and pools of 1 to 256 prompts.",
    )
    _add_rows(parser)
    _add_model(parser)


def _add_startup(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _add(
        benchmarks,
        "startup",
        run_startup,
        "imports, --help, definitions, dvc",
        "Start commands that do nothing. Those of DVC run in a project whose stages are done.",
    )


def _add_data(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _add(
        benchmarks,
        "data",
        run_data,
        "build, validate and tokenise",
        "Build a mirror's twelve tasks, validate and tokenise them; seconds per 10,000 rows. With "
        "--gym nothing is built.",
    )
    _add_rows(parser)
    parser.add_argument("--backbone", default="bundled", metavar="NAME", help="whose tokeniser")
    parser.add_argument(
        "--max-rows",
        type=_positive,
        default=10_000,
        metavar="N",
        help="rows of a file that are validated and tokenised (default: 10000)",
    )
    parser.add_argument(
        "--params", type=Path, default=Path("params.yaml"), metavar="FILE", help="parameters"
    )


def _add_serve(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _add(
        benchmarks,
        "serve",
        run_serve,
        "the exported front end",
        "Run the same batches through the ONNX front end and through torch.",
    )
    _add_rows(parser)
    _add_model(parser)


def _add(
    benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    description: str,
) -> argparse.ArgumentParser:
    """Return the parser of a benchmark, with what all have."""
    parser = benchmarks.add_parser(name, help=summary, description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument(
        "--repeats",
        type=_positive,
        default=_TURNS,
        metavar="N",
        help=f"measured turns, at least 5 (default: {_TURNS})",
    )
    parser.set_defaults(run=run)
    return parser


def _add_rows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gym", type=Path, metavar="DIR", help="rows of a built gym")
    parser.add_argument(
        "--mirror", type=Path, metavar="DIR", help="or twelve CrossFit tasks of a mirror"
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backbone", default="bundled", metavar="NAME", help="bundled, or an encoder's folder"
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        help="of our side (default: bf16 where the processor has AMX or AVX512-BF16, else fp32)",
    )
    parser.add_argument(
        "--device", default="cpu", metavar="NAME", help="cpu or cuda (default: cpu)"
    )
    for option, default, text in (
        ("--threads", 2, "threads of torch"),
        ("--batch-size", 32, "examples of a step"),
        ("--prompt-length", 16, "P"),
        ("--max-length", 128, "tokens of an input"),
    ):
        parser.add_argument(
            option,
            type=_positive,
            default=default,
            metavar="N",
            help=f"{text} (default: {default})",
        )


def _settings(args: argparse.Namespace) -> "BenchSettings":
    from pipeline.bench.machine import why_no_bf16
    from pipeline.bench.settings import BenchSettings

    given: dict[str, Any] = {}
    if getattr(args, "peer_learning_rate", None) is not None:
        given["peer_learning_rate"] = args.peer_learning_rate
    return BenchSettings(
        backbone=args.backbone,
        precision=args.precision or ("fp32" if why_no_bf16(args.device) else "bf16"),
        device=args.device,
        num_threads=args.threads,
        batch_size=args.batch_size,
        prompt_length=args.prompt_length,
        max_length=args.max_length,
        **given,
    )


def _finish(args: argparse.Namespace, result: dict[str, Any]) -> int:
    from dpf_core.files import write_json
    from pipeline.bench.table import bench_table

    print(bench_table(result), flush=True)  # first: a file that cannot be written loses nothing
    if args.json is not None:
        write_json(args.json, result)
    return 0


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 1, got {text!r}")
    return int(text)
