"""The commands `dpf train`, `evaluate`, `export` and `report`, thin over what the stages call."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from dpf_core.errors import ConfigError
from pipeline import adapter_cli, paths, suite_cli
from pipeline.processes import in_one_voice, is_launched, joined, launch
from pipeline.refusals import REFUSED
from pipeline.supervised import search_path, supervised

_IN_PROJECT = "(default: {})"


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the four commands; each sets `run`, a function of the arguments."""
    _add_train(subparsers)
    _add_evaluate(subparsers)
    _add_export(subparsers)
    _add_report(subparsers)


@in_one_voice()
def run_train(args: argparse.Namespace) -> int:
    """Train the project's pool, or one in a folder of its own."""
    if args.out is None:
        if is_launched():
            raise ConfigError(
                "dpf train must run once where it has no --out, got a launcher that runs it in "
                "several processes. Set runtime.num_processes in params.yaml and run it alone."
            )
        return reproduce("train", args, unused=("gym", "params", "set", "json"))
    from dpf_core.config import BackboneConfig, ModelConfig, RuntimeConfig, TrainConfig
    from pipeline.params import load_config, parse_overrides
    from pipeline.training import TrainPaths, TrainSettings, run_training

    out, params = own_folder(args.out), params_of(args)
    overrides = parse_overrides(
        args.set or [], RuntimeConfig, BackboneConfig, ModelConfig, TrainConfig
    )
    runtime = load_config(RuntimeConfig, params, overrides)
    if runtime.num_processes > 1 and not is_launched():
        return launch("pipeline.cli", args.words, runtime)
    settings = TrainSettings(
        runtime=runtime,
        backbone=load_config(BackboneConfig, params, overrides),
        model=load_config(ModelConfig, params, overrides),
        train=load_config(TrainConfig, params, overrides),
    )
    train_paths = TrainPaths(
        gym=args.gym or paths.GYM,
        pool=out / "pool",
        metrics=out / "metrics" / "train.json",
        plots=out / "plots" / "train",
        checkpoints=out / ".checkpoints",
    )
    with joined(runtime) as processes:
        metrics = run_training(train_paths, settings, processes)
        if processes.is_first:
            _say(args, metrics, f"pool: {train_paths.pool}")
    return 0


def run_evaluate(args: argparse.Namespace) -> int:
    """Score the project's pool, or another one, on a gym's test rows or on a suite."""
    if args.suite is not None:
        return suite_cli.run_suite(args)
    if args.context_shots:
        raise ConfigError(
            f"--context-shots must come with --suite, got {args.context_shots} without one. Add "
            "--suite NAME, or leave it out."
        )
    if args.out is None:
        return reproduce("evaluate", args, unused=("gym", "pool", "params", "set", "json"))
    from dpf_core.config import EvaluateConfig, RuntimeConfig, TrainConfig
    from pipeline.evaluating import EvaluatePaths, run_evaluation
    from pipeline.params import load_config, parse_overrides

    out, params = own_folder(args.out), params_of(args)
    overrides = parse_overrides(args.set or [], RuntimeConfig, EvaluateConfig)
    metrics = run_evaluation(
        EvaluatePaths(
            gym=args.gym or paths.GYM,
            pool=args.pool or paths.POOL,
            metrics=out / "metrics" / "evaluate.json",
            plots=out / "plots" / "evaluate",
        ),
        load_config(RuntimeConfig, params, overrides),
        load_config(EvaluateConfig, params, overrides),
        load_config(TrainConfig, params, overrides),
    )
    _say(args, metrics, score_table(metrics))
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Export the project's pool, or another one, to ONNX and compare it with torch."""
    if args.format == "peft":
        return adapter_cli.run_export(args)
    if args.out is None:
        return reproduce("export", args, unused=("gym", "pool", "params", "set", "json"))
    from dpf_core.config import ExportConfig, RuntimeConfig
    from pipeline.exporting import ExportPaths, run_export
    from pipeline.params import load_config, parse_overrides

    out, params = own_folder(args.out), params_of(args)
    overrides = parse_overrides(args.set or [], RuntimeConfig, ExportConfig)
    metrics = run_export(
        ExportPaths(
            gym=args.gym or paths.GYM,
            pool=args.pool or paths.POOL,
            onnx=out / "onnx",
            metrics=out / "metrics" / "export.json",
        ),
        load_config(RuntimeConfig, params, overrides),
        load_config(ExportConfig, params, overrides),
    )
    _say(args, metrics, f"largest difference to torch: {metrics['max_abs_diff']:.2e}")
    return 0


def run_report(args: argparse.Namespace) -> int:
    """Write the project's report, or that of a folder laid out like it."""
    if args.out is None:
        return reproduce("report", args, unused=("project",))
    from pipeline.report import ReportInputs, write_report

    page = write_report(ReportInputs.below(args.project or Path()), own_folder(args.out))
    print(page)
    return 0


def reproduce(stage: str, args: argparse.Namespace, *, unused: tuple[str, ...]) -> int:
    """Run `dvc repro` up to a stage and return the exit code.

    Raises:
        ConfigError: An option was given that has no effect without --out, or this is no project.
        KeyboardInterrupt: As it came, once DVC and the stage have ended.
    """
    given = [f"--{name}" for name in unused if getattr(args, name)]
    if given:
        raise ConfigError(
            f"{', '.join(given)} must come with --out, got no --out (stage {stage}). Add --out "
            "DIR, or set the values in params.yaml and leave them out."
        )
    if not Path("dvc.yaml").is_file():
        raise ConfigError(
            f"the working directory must hold dvc.yaml where --out is left out, got "
            f"{Path.cwd()} (stage {stage}). Change to the project's folder, or add --out DIR."
        )
    with supervised(dvc_command(stage), env={**os.environ, "PATH": search_path()}) as process:
        code = process.wait()
    return REFUSED if code else 0


def dvc_command(stage: str) -> list[str]:
    """Return the words that make everything up to a stage."""
    return [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", stage]


def params_of(args: argparse.Namespace) -> Path:
    """Return the parameters file that was named, or the project's own."""
    return args.params or Path("params.yaml")


def own_folder(out: Path) -> Path:
    """Return the output folder if no DVC stage writes there, of this project or of another one.

    Raises:
        ConfigError: It lies in a project's data folder.
    """
    whole, own = out.resolve(), paths.DATA.resolve()
    for folder in (whole, *whole.parents):
        is_data = folder.name == paths.DATA.name and (folder.parent / "dvc.yaml").is_file()
        if is_data or folder == own:
            raise ConfigError(
                f"--out must lie outside {paths.DATA}/, whose files DVC's stages own, got {out}. "
                "Choose another folder, or leave --out out to run the stage."
            )
    return out


def score_table(metrics: dict[str, Any]) -> str:
    """Return one line for each task with its score beside the majority's, and the means."""
    width = max(len(task["name"]) for task in metrics["tasks"])
    rows = [
        f"{task['name']:{width}}  {task['score']:5.3f}  {task['majority_score']:8.3f}  "
        f"{task['num_test_rows']:4d}  {task['metric']}"
        for task in metrics["tasks"]
    ]
    means = f"{metrics['mean_score']:5.3f}  {metrics['majority_mean_score']:8.3f}"
    return "\n".join(
        [
            f"{'task':{width}}  score  majority  rows  metric",
            *rows,
            f"{'mean':{width}}  {means}",
            *(f"alarm: {alarm['message']}" for alarm in metrics["alarms"]),
        ]
    )


def _add_train(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "train",
        help="train a pool of prompts on a gym",
        description="Train pool, scheduler, gate and heads. A run that was interrupted goes on at "
        "its last checkpoint when nothing that shapes the result has changed.",
    )
    _add_gym(parser)
    _add_shared(parser, "pool/, metrics/train.json and plots/train/")
    parser.set_defaults(run=run_train)


def _add_evaluate(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "evaluate",
        help="score a pool on test rows",
        description="Score every task by CrossFit's metric for it, and measure the pool's health.",
    )
    _add_gym(parser)
    _add_pool(parser)
    suite_cli.add_arguments(parser)
    _add_shared(parser, "metrics/evaluate.json and plots/evaluate/")
    parser.set_defaults(run=run_evaluate)


def _add_export(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "export",
        help="write ONNX files and compare them with torch, or write PEFT adapters",
        description="Write fused_prompt.onnx, front_end.onnx, manifest.json and tokenizer.json, "
        "run every task through ONNX Runtime, and fail above the tolerance.",
    )
    adapter_cli.add_arguments(parser)
    _add_gym(parser)
    _add_pool(parser)
    _add_shared(parser, "onnx/ and metrics/export.json, or for adapters")
    parser.set_defaults(run=run_export)


def _add_report(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "report",
        help="write a run as one HTML page",
        description="Write index.html from the metrics and plots of all stages.",
    )
    parser.add_argument(
        "--project", type=Path, metavar="DIR", help="folder that holds data/ (default: this one)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for index.html")
    parser.set_defaults(run=run_report)


def _add_gym(parser: argparse.ArgumentParser) -> None:
    text = f"a built gym {_IN_PROJECT.format(paths.GYM)}"
    parser.add_argument("--gym", type=Path, metavar="DIR", help=text)


def _add_pool(parser: argparse.ArgumentParser) -> None:
    text = f"a trained pool {_IN_PROJECT.format(paths.POOL)}"
    parser.add_argument("--pool", type=Path, metavar="DIR", help=text)


def _add_shared(parser: argparse.ArgumentParser, written: str) -> None:
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"folder for {written}")
    parser.add_argument(
        "--params", type=Path, metavar="FILE", help="parameters (default: params.yaml)"
    )
    parser.add_argument(
        "--set",
        action="append",
        metavar="SECTION.KEY=VALUE",
        help="replace a parameter for this run, for instance train.max_steps=50; repeatable",
    )
    parser.add_argument("--json", action="store_true", help="print the metrics as JSON")


def _say(args: argparse.Namespace, metrics: dict[str, Any], text: str) -> None:
    print(json.dumps(metrics, indent=2, sort_keys=True) if args.json else text)
