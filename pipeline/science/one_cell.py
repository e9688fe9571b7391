"""One cell once more, beside what is recorded of it."""

from typing import Any

from pipeline.science.jobs import Place
from pipeline.science.layout import Layout
from pipeline.science.lock import alone
from pipeline.science.records import read_cells
from pipeline.science.running import cell_jobs, is_recorded, is_start_there, make_sources
from pipeline.science.settings import ScienceSettings, check_choice
from pipeline.science.tuning import Sweep


def check_cell(
    settings: ScienceSettings, layout: Layout, name: str, target: str, seed: int
) -> None:
    """Return if there can be such a cell; rows are not needed.

    Raises:
        ConfigError: There is no such method, target or seed, or the method was not tuned.
    """
    settings.method(name)
    check_choice(target, settings.gym.targets, "the target")
    check_choice(seed, settings.gym.seeds, "the seed")
    Sweep(settings, layout, name).require()


def compare(place: Place, name: str, target: str, seed: int) -> dict[str, Any]:
    """Run a cell and return its score beside the recorded one; no record is written.

    Args:
        place: Where it runs.
        name: Of the method.
        target: One of the settings' targets.
        seed: A few-shot seed; method, target and seed passed `check_cell`.

    Raises:
        ProcessError: A source model is missing, and another run is under way.
        DPFError: The cell cannot be run.
    """
    job = next(job for job in cell_jobs(place, name) if (job.target, job.seed) == (target, seed))
    if not is_start_there(place, name):
        with alone(place.layout):
            make_sources(place, {name}, num_processes=1, record=False)
    cell = job.run(place.worker())
    recorded = read_cells(place.layout.cells(name))
    earlier = None if recorded is None else recorded.cells.get((target, seed))
    return {
        "method": name,
        "task": target,
        "seed": seed,
        "metric": place.gym.task(target).metric,
        "score": cell.score,
        "dev_score": cell.dev_score,
        "seconds": cell.seconds,
        "setting": dict(place.settings.method(name).sweep[job.point].values),
        "recorded_score": None if earlier is None else earlier.score,
        "is_equal": earlier is not None and earlier.score == cell.score,
        "is_same_setup": recorded is not None and is_recorded(place, job, recorded.cells),
    }


def describe(result: dict[str, Any]) -> str:
    """Return a cell's score in a line, and the recorded one in another."""
    lines = [
        f"{result['method']} {result['task']} {result['seed']}: {result['metric']} "
        f"{result['score']:.6f} (dev {result['dev_score']:.4f}, {result['seconds']:.1f} s)"
    ]
    if result["recorded_score"] is None:
        lines.append("recorded: nothing")
    else:
        equal = "equal" if result["is_equal"] else "NOT EQUAL"
        lines.append(f"recorded: {result['recorded_score']:.6f}, {equal}{_why(result)}")
    return "\n".join(lines)


def _why(result: dict[str, Any]) -> str:
    if not result["is_same_setup"]:
        return ", of other settings, rows, weights, libraries or kind of processor"
    if result["is_equal"]:
        return ""
    return ", of the same settings: by other code, or on another kind of processor (README)"
