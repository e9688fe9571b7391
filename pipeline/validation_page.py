"""The gym as HTML: one page for all tasks and a data card for each. No network, no scripts.

Texts of the gym are data here: they reach the templates as escaped values and are never templates.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from dpf_core.files import write_text_atomic
from dpf_core.gym.manifest import UNVERIFIED, VERIFIED, TaskRecord
from pipeline.pages import page_environment
from pipeline.validation_config import ValidateConfig
from pipeline.validation_gates import GATES
from pipeline.validation_report import GymReport, TaskReport

_TEMPLATES = Path(__file__).parent / "templates"
_CARDS = "tasks"


def write_pages(report: GymReport, config: ValidateConfig, folder: Path) -> Path:
    """Write `index.html` and `tasks/<name>.html` into a folder, and return the first.

    Raises:
        OSError: The folder cannot be written.
    """
    (folder / _CARDS).mkdir(parents=True, exist_ok=True)
    index = folder / "index.html"
    write_text_atomic(index, render_gym(report, config))
    for task in report.tasks:
        write_text_atomic(folder / _CARDS / f"{task.task.name}.html", render_card(report, task))
    return index


def render_gym(report: GymReport, config: ValidateConfig) -> str:
    """Return the page of all tasks: an overview, the leaks, and what is checked."""
    leaks = report.leaks
    shown = leaks.above(config.warn_leak_fraction) if leaks else ()
    scored = [leak for leak in shown if leak.test.share > config.warn_leak_fraction]
    return _template("gym.html.j2").render(
        source=report.manifest.source,
        not_built={**report.manifest.failed, **report.manifest.missing},
        tasks=report.tasks,
        categories=_categories(report.tasks),
        failed=[task for task in report.tasks if not task.passed],
        num_rows=sum(sum(task.profile.rows.values()) for task in report.tasks),
        num_verified=_count_status(report, VERIFIED),
        num_unverified=_count_status(report, UNVERIFIED),
        num_critical=len(report.of("critical")),
        num_warnings=len(report.of("warning")),
        leaks=leaks,
        min_leak=config.warn_leak_fraction,
        groups=leaks.groups(config.warn_leak_fraction) if leaks else (),
        scored=scored,
        unscored=[leak for leak in shown if leak not in scored],
        num_small=len(leaks.leaks) - len(shown) if leaks else 0,
        gates=_gates(report, config),
    )


def render_card(report: GymReport, task: TaskReport) -> str:
    """Return the data card of one task."""
    record, profile = task.task, task.profile
    seed = next(iter(record.rows.train))
    return _template("task_card.html.j2").render(
        report=task,
        task=record,
        profile=profile,
        few_shot=record.rows.train[seed] + record.rows.dev[seed],
        notes=list(_notes(record)),
        lengths=[
            _length(title, words)
            for title, words in (("Input", profile.input_words), ("Output", profile.output_words))
            if words
        ],
        gates=GATES,
        leaks=_leaks_of(report, record.name),
    )


@cache
def _template(name: str) -> jinja2.Template:
    filters: dict[str, Callable[..., Any]] = {
        "number": "{:,}".format, "code": _code, "percent": "{:.1%}".format, "words": _words,
        "short": _short, "span": _span,
    }  # fmt: skip
    return page_environment(_TEMPLATES, filters=filters).get_template(name)


def _categories(tasks: Sequence[TaskReport]) -> list[tuple[str, list[TaskReport]]]:
    """Return the first level of the categories, each with its tasks in order of the second."""
    ordered = sorted(tasks, key=lambda report: (*_levels(report.task), report.task.name))
    return [(name, list(group)) for name, group in groupby(ordered, lambda r: _levels(r.task)[0])]


def _levels(task: TaskRecord) -> tuple[str, str]:
    first, _, second = task.category.partition("/")
    return first.strip(), second.strip()


def _count_status(report: GymReport, status: str) -> int:
    return sum(task.task.status == status for task in report.tasks)


def _notes(task: TaskRecord) -> Iterator[str]:
    if task.known:
        yield f"Known: {task.known}"
    if task.provenance == "generated":
        yield "The rows are made by a program and not by people."
    if task.status == UNVERIFIED and task.official:
        different = task.official.of - task.official.matching
        yield (
            f"Unverified: {different} of {task.official.of} files differ from those that CrossFit "
            "published, so scores are not exactly comparable with CrossFit's."
        )


def _length(title: str, words: tuple[int, ...]) -> dict[str, Any]:
    end = max(words[4], 1)
    left, middle, right = (min(value / end, 1.0) for value in words[1:4])
    return {
        "title": title,
        "words": words,
        "left": f"{left:.1%}",
        "width": f"{max(right - left, 0.005):.1%}",
        "middle": f"{middle:.1%}",
    }


def _leaks_of(report: GymReport, name: str) -> list[Any]:
    leaks = report.leaks.leaks if report.leaks else ()
    return [leak for leak in leaks if name in (leak.source, leak.target)]


def _code(text: str) -> Markup:
    """Return escaped text in which what stood between backticks is set as code."""
    parts = enumerate(text.split("`"))
    return Markup().join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
        for index, part in parts
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _span(counts: Sequence[tuple[int, int]]) -> str:
    least, most = counts[0][0], counts[-1][0]
    return str(least) if least == most else f"{least} to {most}"


def _gates(report: GymReport, config: ValidateConfig) -> list[dict[str, Any]]:
    limits = {
        "label_balance": f"warning below {config.min_label_fraction:.1%} of full_train",
        "every_row": f"warning above {config.max_rows:,} rows of a file",
        "long_text": f"warning above {config.max_chars:,} characters",
        "constant_answer": f"warning above {config.warn_constant_fraction:.1%} of the test rows",
        "duplicate_rows": f"warning above {config.warn_duplicate_fraction:.1%} of a file",
        "conflicting_rows": f"warning; critical above {config.max_conflict_fraction:.1%} of a file",
        "test_overlap": f"warning above {config.warn_overlap_fraction:.1%} of the test rows",
        "leak": f"warning above {config.warn_leak_fraction:.1%} of the test rows",
    }
    found = [
        finding.gate for severity in ("critical", "warning") for finding in report.of(severity)
    ]
    return [
        {"title": gate.title, "limit": limits.get(name, gate.severity), "count": found.count(name)}
        for name, gate in GATES.items()
    ]
