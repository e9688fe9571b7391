"""The run as one self-contained HTML file: no network, no fonts to load, no script needed.

This module reads and checks what the stages left and hands it to the template; sentences are in
`report_words.py`, looks in `templates/report.css`. Texts of the data are escaped values, never
templates. Equal inputs give equal bytes.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import jinja2

from dpf_core.errors import DPFError
from dpf_core.files import read_json, sha256_file, write_text_atomic
from dpf_core.pool_io import POOL_FILE
from pipeline import paths
from pipeline.pages import page_environment, picture
from pipeline.report_words import (
    DIAGNOSTICS,
    FIGURES,
    FILTERS,
    METHODS,
    Diagnostic,
    capitalised,
    usage_example,
)

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, kw_only=True)
class ReportInputs:
    """The files and folders that the report reads."""

    gym: Path = paths.GYM / "manifest.json"
    pool: Path = paths.POOL / "config.json"
    onnx: Path = paths.ONNX / "manifest.json"
    validate: Path = paths.VALIDATE_METRICS
    train: Path = paths.TRAIN_METRICS
    evaluate: Path = paths.EVALUATE_METRICS
    export: Path = paths.EXPORT_METRICS
    train_plots: Path = paths.TRAIN_PLOTS
    evaluate_plots: Path = paths.EVALUATE_PLOTS

    @classmethod
    def below(cls, root: Path) -> "ReportInputs":
        """Return the same paths in another project folder."""
        usual = cls()
        return cls(**{field.name: root / getattr(usual, field.name) for field in fields(cls)})


def build_report(inputs: ReportInputs) -> str:
    """Return the report's HTML.

    Raises:
        DPFError: An input is missing, is not what its stage writes, or belongs to another run.
    """
    values = {name: _read(getattr(inputs, name), name) for name in _STAGES}
    gym_sha256 = sha256_file(inputs.gym)
    _check_same_gym(values["pool"], gym_sha256, inputs)
    _check_same_pool(values, inputs)
    try:
        return (
            page_environment(_TEMPLATES, filters=FILTERS)
            .get_template("report.html.j2")
            .render(
                **values,
                gym_sha256=gym_sha256,
                figures=_figures(inputs),
                methods=METHODS,
                diagnostics=_diagnostics(values["evaluate"]),
                usage=usage_example(values["onnx"]["tasks"][0]["name"]),
            )
        )
    except (jinja2.UndefinedError, LookupError, TypeError, ValueError) as error:
        raise DPFError(
            f"the inputs of the report must have the form of this version, got: {error}. "
            "Run `dvc repro`."
        ) from error


def write_report(inputs: ReportInputs, out_dir: Path) -> Path:
    """Write `index.html` into a folder, made if missing, and return its path.

    Raises:
        DPFError: As `build_report`; an earlier report is untouched.
        OSError: The folder cannot be written.
    """
    html = build_report(inputs)
    out_dir.mkdir(parents=True, exist_ok=True)
    write_text_atomic(out_dir / "index.html", html)
    return out_dir / "index.html"


_STAGES = {
    "gym": ("ingest", {"source", "seeds", "tasks"}),
    "pool": ("train", {"backbone", "model", "sha256", "gym_manifest_sha256"}),
    "onnx": ("export", {"tasks", "pool_sha256"}),
    "validate": ("validate", {"tasks", "num_critical", "num_warnings"}),
    "train": ("train", {"steps", "best_step", "rows", "final_losses", "task_weights", "alarms"}),
    "evaluate": (
        "evaluate",
        {"mean_score", "majority_mean_score", "tasks", "alarms", "pool_sha256"},
    ),
    "export": ("export", {"max_abs_diff", "tolerance", "providers", "files"}),
}
"""Input -> the stage that writes it, and keys without which there is nothing to report."""


def _read(path: Path, name: str) -> dict[str, Any]:
    stage, keys = _STAGES[name]
    cure = f"Run `dvc repro {stage}`."
    try:
        value = read_json(path)
    except FileNotFoundError:
        raise DPFError(f"{path} must exist, got no such file. {cure}") from None
    except ValueError as error:
        raise DPFError(f"{path} must be JSON, got {error}. {cure}") from error
    if not isinstance(value, dict) or not keys <= value.keys():
        missing = sorted(keys - set(value)) if isinstance(value, dict) else type(value).__name__
        raise DPFError(f"{path} must hold {sorted(keys)}, got it without {missing}. {cure}")
    return value


def _check_same_gym(pool: dict[str, Any], gym_sha256: str, inputs: ReportInputs) -> None:
    if pool["gym_manifest_sha256"] != gym_sha256:
        raise DPFError(
            f"the pool must be trained on this gym ({inputs.gym}, SHA-256 {gym_sha256}), got "
            f"{pool['gym_manifest_sha256']} ({inputs.pool}). Run `dvc repro train`."
        )


def _check_same_pool(values: dict[str, dict[str, Any]], inputs: ReportInputs) -> None:
    pool = values["pool"]["sha256"].get(POOL_FILE)
    for name in ("evaluate", "onnx"):
        if values[name]["pool_sha256"] != pool:
            raise DPFError(
                f"{getattr(inputs, name)} must be made of this pool ({inputs.pool}, {POOL_FILE} "
                f"with SHA-256 {pool}), got one of {values[name]['pool_sha256']}. Run `dvc repro "
                f"{_STAGES[name][0]}`."
            )


def _figures(inputs: ReportInputs) -> dict[str, dict[str, str]]:
    """Return stem -> data URI and words, for each figure that the stages drew."""
    found = {}
    for stage, folder in (("train", inputs.train_plots), ("evaluate", inputs.evaluate_plots)):
        files = {path.stem: path for path in folder.glob("*.png")}
        if not files:
            raise DPFError(f"{folder} must hold PNG files, got none. Run `dvc repro {stage}`.")
        for stem, (alt, caption) in FIGURES[stage].items():
            if stem in files:
                found[stem] = picture(files[stem], alt, caption)
    return found


def _diagnostics(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return title, value, largest value, meaning and whether its alarm rang, for each number."""
    values = evaluation.get("diagnostics") or {}
    rang = {alarm["name"] for alarm in evaluation["alarms"]}
    limits = {words.most for words in DIAGNOSTICS.values()}
    known = [name for name in DIAGNOSTICS if name in values]
    others = sorted(values.keys() - DIAGNOSTICS.keys() - limits)
    return [_diagnostic(name, values, rang) for name in known + others]


def _diagnostic(name: str, values: dict[str, float], rang: set[str]) -> dict[str, Any]:
    words = DIAGNOSTICS.get(name) or Diagnostic(title=capitalised(name), meaning="")
    most = values.get(words.most) if isinstance(words.most, str) else words.most
    return {"words": words, "value": values[name], "most": most, "rang": words.alarm in rang}
