"""The science as one self-contained HTML page: no network, no script needed.

It says what the records say. Every figure names the command that makes it, the commit, and the hash
of the rows. Texts of the data are escaped values, never templates.
"""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import jinja2

from dpf_core.errors import DPFError
from dpf_core.files import write_text_atomic
from pipeline.pages import page_environment, picture
from pipeline.report_words import FILTERS
from pipeline.science.appending import current_append
from pipeline.science.curves import build_studies
from pipeline.science.figures import science_figures
from pipeline.science.ideas import read_ideas
from pipeline.science.keys import Json
from pipeline.science.layout import Layout
from pipeline.science.matrix import current_matrix
from pipeline.science.matrix_figures import matrix_figures
from pipeline.science.records import read_record
from pipeline.science.references import REFERENCES
from pipeline.science.settings import ScienceSettings
from pipeline.science.settings_file import load_science
from pipeline.science.status import CheckedRows, checked_origin, checked_rows, recorded_key
from pipeline.science.study_figures import study_figures
from pipeline.science.transfer import build_transfer
from pipeline.science.tuning import Sweep

_HERE = Path(__file__).parent
_TEMPLATES = (_HERE / "templates", _HERE.parent / "templates")
METHODS = {
    "dpf": "A fused prompt from the pool that the sources trained, plus one of the task's own.",
    "dpf_append": "A fused prompt from the pool that the sources trained, which stays as it is.",
    "dpf_joint": "A fused prompt from the pool that the sources trained, which is trained on.",
    "single_task": "A prompt of its own, from nothing: what PTG divides by.",
    "single_task_untuned": "The same at the rates of the source training, tried on nothing.",
    "shared_prompt": "The one prompt that all sources trained, tuned further.",
    "spot": "The source task's prompt that is nearest, tuned further (SPoT, arXiv 2110.07904).",
    "attempt": "Attention of each input over frozen source prompts (ATTEMPT, arXiv 2205.11961).",
    "mpt": "A shared prompt times a task's rank-one factor, distilled (MPT, arXiv 2303.02861).",
    "heads_only": "No prompt; the head alone learns.",
    "full_finetune_multitask": "Every weight, first on the sources: the ceiling.",
    "full_finetune_direct": "Every weight, on the target alone.",
}
"""What a method does to a target; others are shown under their names alone."""

FIGURES = {
    "gains": (
        "Gain of every method over the baseline with its interval",
        "Mean over the targets of score over baseline, with a bootstrap interval over targets and "
        "seeds. Open circles: the median ratio, which no single target can carry.",
    ),
    "targets": (
        "Difference to the baseline on every target",
        "Targets whose whole interval lies below zero are hurt. Intervals are over seeds and test "
        "rows, drawn alike for both methods.",
    ),
    "differences": (
        "Heat map of differences to the baseline by target and method",
        "Blue: better than the baseline; orange: worse. Correlations are taken as (1 + x) / 2.",
    ),
}
"""File stem -> alternative text and caption, in the order of the page."""


MATRIX_FIGURES = {
    "matrix": (
        "Heat map of what each source task's prompt is worth on each target",
        "The head alone learns, beside the source task's frozen prompt and beside none, on the "
        "same few-shot rows; shown is the difference of the best dev scores. Similar rows and "
        "columns stand together. A cell rests on the dev rows of one seed: patterns count, not "
        "cells.",
    ),
    "scheduler": (
        "Heat map of the task scheduler's mixing weights",
        "How the source tasks mix the pool. Blue: more than an even share; orange: less. Tasks are "
        "ordered by a clustering of their Jensen-Shannon distances.",
    ),
}
"""File stem -> alternative text and caption."""

STUDY_FIGURE = {
    "curve": (
        "Curve of the mean target score over {title}",
        "Mean over targets and seeds. A bar is the score of the point that changes nothing, plus "
        "the 95% interval of the difference to it, over targets and seeds drawn alike for both: "
        "where it crosses the dashed line, no difference shows. Below: the mean score of the "
        "source model on dev rows of its own tasks.",
    ),
    "bars": (
        "Bars of the difference to the default by {title}",
        "Mean over targets and seeds of the difference to the point that changes nothing, with its "
        "95% interval over targets and seeds, drawn alike for both.",
    ),
}
"""Kind of a study -> alternative text and caption."""


def write_report(layout: Layout, out_dir: Path) -> Path:
    """Write `index.html` into a folder, made if missing, and return its path.

    Raises:
        DPFError: There is no table, it is not that of the records, or a record is damaged; an
            earlier page is untouched.
        OSError: The folder cannot be written.
    """
    html = build_report(layout, commit=current_commit(layout.params.parent))
    out_dir.mkdir(parents=True, exist_ok=True)
    write_text_atomic(out_dir / "index.html", html)
    return out_dir / "index.html"


def build_report(layout: Layout, *, commit: str) -> str:
    """Return the page's HTML.

    Args:
        layout: Where the records lie.
        commit: Of the code that made it, in words.

    Raises:
        DPFError: There is no table, it is not that of the records, or a record is damaged.
    """
    settings = load_science(layout.params)
    table = read_record(layout.transfer)
    if table is None:
        raise DPFError(
            f"the table must be there, got no {layout.transfer}. Run: dpf science transfer."
        )
    if table != build_transfer(layout):
        raise DPFError(
            f"the table must be that of the records as they are, got another one "
            f"({layout.transfer}). Run: dpf science transfer."
        )
    studies = _studies(layout)
    rows = checked_rows(settings, layout)
    tuning, sources = _tuning(settings, layout, rows), _sources(settings, layout, rows)
    matrix, append = current_matrix(settings, layout), current_append(settings, layout)
    try:
        table = _ordered(table, settings)
        return (
            page_environment(*_TEMPLATES, filters=FILTERS | {"heat": _heat})
            .get_template("science.html.j2")
            .render(
                table=table,
                settings=settings,
                words=METHODS | REFERENCES,
                tuning=tuning,
                sources=sources,
                protocol=read_record(layout.protocol) or {},
                studies=studies,
                matrix=matrix,
                ideas=read_ideas(layout),
                append=append,
                figures=_figures(layout, table, studies, matrix, commit),
                commit=commit,
                command=_command(layout, "transfer"),
            )
        )
    except (jinja2.UndefinedError, LookupError, TypeError, ValueError) as error:
        raise DPFError(
            f"the records must have the form of this version, got: {error}. Run: dpf science "
            "transfer."
        ) from error


def current_commit(folder: Path) -> str:
    """Return the commit of a folder's repository in words, and whether files differ from it."""
    words = [["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--untracked-files=no"]]
    said = []
    for arguments in words:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return "no commit: not a Git repository"
        said.append(done.stdout.strip())
    return said[0] + (" with uncommitted changes" if said[1] else "")


def _tuning(settings: ScienceSettings, layout: Layout, rows: CheckedRows) -> dict[str, Json]:
    """Return the sweeps that follow from settings, checked rows and the recorded sources."""
    found = {}
    for name in settings.methods:
        sweep = Sweep(settings, layout, name)
        if sweep.record is None or sweep.origin is None:
            continue
        weights = sweep.origin.weights
        if sweep.origin == checked_origin(settings, layout, name, rows, weights):
            found[name] = sweep.record
    return found


def _sources(settings: ScienceSettings, layout: Layout, rows: CheckedRows) -> dict[str, Json]:
    """Return the records of the source models that follow from settings and checked rows."""
    found = {}
    for name in settings.sources:
        record = read_record(layout.source_record(name))
        if record is not None and recorded_key(record, settings, name, rows) is not None:
            found[name] = record
    return found


def _ordered(table: Json, settings: ScienceSettings) -> Json:
    """Return the table with methods and targets in the order of the settings, not of names."""
    orders = {
        "methods": settings.methods,
        "against": settings.methods,
        "targets": settings.gym.targets,
    }
    return table | {
        part: {name: table[part][name] for name in order if name in table[part]}
        for part, order in orders.items()
    }


def _studies(layout: Layout) -> list[Json]:
    """Return the summary of one's own studies, then of those recorded of configurations beside."""
    own = [layout] if layout.study_params.exists() else []
    others = [] if layout.option else layout.configurations()
    told = [other for other in others if (other.metrics / "studies").exists()]
    return [
        build_studies(each)
        | {"option": each.option, "stem": f"study-{each.params.stem}-" if each.option else "study-"}
        for each in (*own, *told)
    ]


def _command(layout: Layout, part: str, option: str | None = None) -> str:
    """Return what makes a part of the page, under the page's settings or others, and the page."""
    made = f"dpf science {part}{layout.option if option is None else option}"
    return f"{made} && dpf science report{layout.option} --out DIR"


@dataclass(frozen=True, slots=True)
class _Origin:
    """What every figure says of itself."""

    rows_sha256: str
    commit: str

    def of(self, command: str) -> str:
        """Return command, commit and rows in words."""
        rows = self.rows_sha256[:16]
        return f"Command: {command}. Commit: {self.commit}. Rows, SHA-256: {rows}."


def _figures(
    layout: Layout, table: Json, studies: list[Json], matrix: Json | None, commit: str
) -> dict[str, dict[str, str]]:
    """Return stem -> data URI and words of each figure, where it came from included."""
    found = {}
    origin = _Origin(table["made_with"]["gym_manifest_sha256"], commit)
    with tempfile.TemporaryDirectory() as folder:
        for path in science_figures(table, Path(folder)):
            alt, caption = FIGURES[path.stem]
            words = origin.of(_command(layout, "transfer"))
            found[path.stem] = picture(path, alt, f"{caption} {words}")
        for path in matrix_figures(matrix, Path(folder)) if matrix else ():
            alt, caption = MATRIX_FIGURES[path.stem]
            words = origin.of(_command(layout, "matrix"))
            found[path.stem] = picture(path, alt, f"{caption} {words}")
        for summary in studies:
            origin = _Origin(summary["gym_manifest_sha256"], commit)
            for name, path in study_figures(summary, Path(folder)).items():
                study = summary["studies"][name]
                alt, caption = STUDY_FIGURE[study["kind"]]
                made = _command(layout, f"study {name}", summary["option"])
                words = f"{caption} {origin.of(made)}"
                stem = summary["stem"] + name
                found[stem] = picture(path, alt.format(title=study["title"]), words)
    return found


def _heat(difference: float) -> str:
    """Return the colour of a cell, stronger the larger the difference; noise stays pale."""
    side = "accent" if difference > 0 else "alarm"
    share = min(60, round(abs(difference) * 300))
    return f"color-mix(in srgb, var(--{side}) {share}%, transparent)"
