"""One cell once more, beside what is recorded of it."""

from typing import Any

from dpf_core.errors import ConfigError
from dpf_core.naming import nearest
from pipeline.science.jobs import Place
from pipeline.science.records import read_cells
from pipeline.science.running import cell_jobs, is_recorded, make_sources


def compare(place: Place, name: str, target: str, seed: int) -> dict[str, Any]:
    """Run a cell and return its score beside the recorded one; no record is written.

    Args:
        place: Where it runs.
        name: Of the method.
        target: One of the settings' targets.
        seed: A few-shot seed.

    Raises:
        ConfigError: There is no such method, target or seed, or the method was not tuned.
        DPFError: The cell cannot be run.
    """
    place.settings.method(name)
    gym = place.settings.gym
    if target not in gym.targets:
        raise ConfigError(
            f"the task must be one of the targets {', '.join(gym.targets)}, got {target!r}."
            f"{nearest(target, gym.targets)} Correct it, or gym.targets in {place.layout.params}."
        )
    if seed not in gym.seeds:
        raise ConfigError(
            f"the seed must be one of {', '.join(map(str, gym.seeds))}, got {seed}. Correct it, or "
            f"gym.seeds in {place.layout.params}."
        )
    job = next(job for job in cell_jobs(place, name) if (job.target, job.seed) == (target, seed))
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
        same = "" if result["is_same_setup"] else ", of other settings, rows, weights or torch"
        lines.append(f"recorded: {result['recorded_score']:.6f}, {equal}{same}")
    return "\n".join(lines)
