"""The scores of a suite as text for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

HEADER = ("task", "rows", "own", "chance", "majority", "CrossFit", "chance", "majority", "measures")


def suite_table(result: Mapping[str, Any]) -> str:
    """Return one line a task, the means over the tasks present, and what is absent."""
    lines = [HEADER, *(_task_line(task) for task in result["tasks"])]
    means = result["means"]
    over = f"mean over {means['own']['over']}"
    lines.append((over, "", *_levels(means["own"]), *_levels(means["crossfit"]), ""))
    parts = [f"{result['suite']}: {result['description']}", align(lines)]
    parts += [text for task in result["tasks"] if "groups" in task for text in _subjects(task)]
    parts += [f"absent: {item['task']}: {item['reason']}" for item in result["absent"]]
    parts += _sources(result["sources"])
    if result["context_shots"]:
        parts.append(_shots_note(result))
    if result["max_test_rows"] is not None:
        parts.append(
            f"note: at most {result['max_test_rows']} rows of each task were scored, drawn one by "
            "one, so Question-EM judges only the drawn answers of a question"
        )
    parts += [f"note: {result['notes']}"] if result["notes"] else []
    return "\n".join(parts)


def align(lines: Sequence[Sequence[str]]) -> str:
    """Return lines whose columns stand below each other; the first column is flush left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 0 < i < len(widths) - 1 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _task_line(task: Mapping[str, Any]) -> tuple[str, ...]:
    measures = ", ".join(
        f"{name} {level['score']:.3f}" for name, level in task["own"]["measures"].items()
    )
    crossfit = task["crossfit"]["measure"]
    shown = f"{measures}; CrossFit: {task['stands_for'] or task['task']} by {crossfit}"
    marks = [] if task["status"] != "unverified" else ["unverified"]
    marks += [f"{task['truncated_rows']} rows cut"] if task["truncated_rows"] else []
    if fewer := task["rows_with_fewer_shots"]:
        marks.append(f"{fewer} rows with fewer shots ({task['mean_shots']:.2f} on average)")
    return (
        task["task"],
        str(task["num_rows"]),
        *_levels(task["own"]),
        *_levels(task["crossfit"]),
        "; ".join([shown, *marks]),
    )


def _levels(values: Mapping[str, Any]) -> tuple[str, str, str]:
    score, chance, majority = (f"{values[key]:.3f}" for key in ("score", "chance", "majority"))
    return score, chance, majority


def _subjects(task: Mapping[str, Any]) -> list[str]:
    def block(title: str, results: Mapping[str, Mapping[str, Any]]) -> str:
        rows = [
            (name, str(value["num_rows"]), *_levels(value), _fewer(value))
            for name, value in results.items()
        ]
        return align([(title, "rows", "score", "chance", "majority", ""), *rows])

    mean = f"mean over {len(task['subjects'])} subjects: {task['subject_mean']:.3f}"
    blocks = [block(f"{task['task']} by group", task["groups"]), block("subject", task["subjects"])]
    return [*blocks, mean]


def _fewer(value: Mapping[str, Any]) -> str:
    fewer = value.get("rows_with_fewer_shots", 0)
    return f"{fewer} rows with fewer shots" if fewer else ""


def _shots_note(result: Mapping[str, Any]) -> str:
    count, tasks = result["context_shots"], result["tasks"]
    fewer = sum(task["rows_with_fewer_shots"] for task in tasks)
    note = (
        f"note: {count} solved rows stand before each row, of its own subject where a task has "
        "subjects"
    )
    if fewer:
        rows = sum(task["num_rows"] for task in tasks)
        note += (
            f"; {fewer} of {rows} rows have fewer, since backbone.max_length of the pool leaves no "
            "room or a solved row asks what the row asks"
        )
    return note


def _sources(sources: Mapping[str, Sequence[str]] | None) -> list[str]:
    if sources is None:
        return []
    every = len(sources["trained"]) + len(sources["absent"])
    return [f"sources: the pool was trained on {len(sources['trained'])} of {every}"]
