"""Filling what is missing: source models, sweeps, cells. What is there already is not run again."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from pipeline.science.cell import CellJob
from pipeline.science.jobs import Place, run_jobs
from pipeline.science.keys import cell_key, data_key, method_setup, source_key
from pipeline.science.lock import alone
from pipeline.science.progress import say, shown
from pipeline.science.records import Cell, add_cell, read_cells, read_record, require_setup
from pipeline.science.source_training import record_source, source_jobs
from pipeline.science.tuning import Origin, Sweep


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """How much a run had to do."""

    ran: int
    kept: int


def run_cells(
    place: Place, names: Sequence[str], *, num_processes: int, replace: bool = False
) -> Done:
    """Run the missing cells of methods; each is on disk as soon as it is done.

    Args:
        place: Where they run.
        names: Methods.
        num_processes: At a time.
        replace: Drop recorded cells of another setup, as of another torch.

    Raises:
        ConfigError: A method is unknown or has no record of its tuning, or there are cells of
            another setup, which are not to be replaced.
        ProcessError: Another run is under way.
        DPFError: A cell or a source model cannot be made; what is done stays done.
    """
    with alone(place.layout):
        for name in names:
            Sweep(place.settings, place.layout, name).require()
        missing = [job for name in names for job in missing_cells(place, name)]
        for job in () if replace else missing:
            require_setup(place.layout.cells(job.name), job.setup)
        total = len(names) * len(place.settings.gym.targets) * len(place.settings.gym.seeds)
        needed = {job.name for job in missing} | {
            name for name in names if not _is_start_recorded(place, name)
        }
        make_sources(place, needed, num_processes=num_processes)
        with closing(run_jobs(place, missing, num_processes)) as results:
            for job, cell in shown(results, len(missing), "cells", "cell"):
                path = place.layout.cells(job.name)
                add_cell(path, job.name, job.setup, (job.target, job.seed), cell, replace=replace)
                say(f"{job.name} {job.target} {job.seed}: {cell.score:.4f} ({cell.seconds:.1f} s)")
        return Done(ran=len(missing), kept=total - len(missing))


def missing_cells(place: Place, name: str) -> list[CellJob]:
    """Return the cells of a method that are absent, or were made of something else.

    Raises:
        ConfigError: The method has no record of its tuning, or its file is damaged.
        GymError: A target has no files for a seed.
    """
    recorded = read_cells(place.layout.cells(name))
    jobs = cell_jobs(place, name)
    if recorded is None:
        return jobs
    return [job for job in jobs if not is_recorded(place, job, recorded.cells)]


def cell_jobs(place: Place, name: str) -> list[CellJob]:
    """Return the jobs of all cells of a method, under the settings that tuning has chosen.

    Raises:
        ConfigError: The method has no record of its tuning on these rows.
    """
    settings, source = place.settings, key_of_source(place, name)
    origin = Origin.of(settings, place.environment, place.gym, source)
    point, method = Sweep(settings, place.layout, name).require(origin), settings.method(name)
    setup = method_setup(settings, method, method.sweep[point], place.environment, source)
    gym = place.settings.gym
    return [
        CellJob(name=name, point=point, target=target, seed=seed, setup=setup)
        for target in gym.targets
        for seed in gym.seeds
    ]


def is_recorded(place: Place, job: CellJob, cells: dict[tuple[str, int], Cell]) -> bool:
    """Return whether a cell is there that follows from the same settings, rows and machine."""
    found = cells.get((job.target, job.seed))
    data = data_key(place.gym, job.target, job.seed)
    return found is not None and found.key == cell_key(job.setup, data, job.seed)


def tune(place: Place, names: Sequence[str], *, num_processes: int) -> Done:
    """Try the missing points of methods' sweeps on the dev rows of the tuning targets.

    Raises:
        DPFError: A method is unknown, or a point cannot be run; what is done stays done.
    """
    with alone(place.layout):
        sweeps = {name: Sweep(place.settings, place.layout, name) for name in names}
        for name, sweep in sweeps.items():
            sweep.take_over(place.environment, place.gym, key_of_source(place, name))
        jobs = [
            job
            for name, sweep in sweeps.items()
            for job in sweep.missing(place.environment, place.gym, key_of_source(place, name))
        ]
        total = sum(len(sweep.method.sweep) for sweep in sweeps.values())
        make_sources(place, {job.name for job in jobs}, num_processes=num_processes)
        with closing(run_jobs(place, jobs, num_processes)) as results:
            for job, outcome in shown(results, len(jobs), "tune", "run"):
                sweeps[job.name].add(job, outcome)
                say(f"{job.name} point {job.point} {job.target}: dev {outcome['dev_score']:.4f}")
        return Done(ran=len(jobs), kept=total * len(place.settings.tuning.targets) - len(jobs))


def make_sources(
    place: Place, methods: set[str], *, num_processes: int, record: bool = True
) -> None:
    """Train the source models that methods start from, where they are not there.

    Args:
        place: Where they are trained.
        methods: That need them.
        num_processes: At a time.
        record: Write what came out among the records.

    Raises:
        DPFError: One cannot be trained.
    """
    starts = [place.settings.method(name).source for name in methods]
    sources = {source for source in starts if source is not None}
    train_sources(place, sources, num_processes=num_processes, record=record)


def record_sources(place: Place, *, num_processes: int) -> Done:
    """Train the source models of which there is no record, whether or not a cell is missing.

    Raises:
        DPFError: One cannot be trained.
    """
    with alone(place.layout):
        names = set(place.settings.sources)
        missing = {name for name in names if not _is_source_recorded(place, name)}
        train_sources(place, missing, num_processes=num_processes)
        return Done(ran=len(missing), kept=len(names) - len(missing))


def _is_start_recorded(place: Place, name: str) -> bool:
    """Return whether a method starts from nothing, or from a source model that is recorded."""
    source = place.settings.method(name).source
    return source is None or _is_source_recorded(place, source)


def is_start_there(place: Place, name: str) -> bool:
    """Return whether a method starts from nothing, or from a source model that was trained here."""
    source = place.settings.method(name).source
    return source is None or _is_trained(place, source)


def _is_source_recorded(place: Place, name: str) -> bool:
    record = read_record(place.layout.source_record(name))
    return record is not None and "rows" in record and record.get("key") == _source_key(place, name)


def train_sources(
    place: Place, sources: set[str], *, num_processes: int, record: bool = True
) -> None:
    """Train source models and their teachers, where they are not there.

    Args:
        place: Where they are trained.
        sources: Their names.
        num_processes: At a time.
        record: Write what came out among the records.

    Raises:
        DPFError: One cannot be trained.
    """
    settings, layout = place.settings, place.layout
    for name in sorted(_with_teachers(place, sources)) if record else ():
        if _is_trained(place, name):  # before anything starts from it
            _record(place, name, _source_key(place, name))
    rounds = source_jobs(settings, layout, place.environment, place.gym, sources)
    for jobs in rounds:
        with closing(run_jobs(place, jobs, num_processes)) as results:
            for job, made in shown(results, len(jobs), "sources", "model"):
                if record:
                    _record(place, job.name, job.key)
                say(f"source {job.name}: dev {made['dev_mean_score']:.4f}")


def _with_teachers(place: Place, sources: set[str]) -> set[str]:
    learned = [place.settings.sources[name].teacher for name in sources]
    return sources | {teacher.source for teacher in learned if teacher is not None}


def _is_trained(place: Place, source: str) -> bool:
    return place.layout.source_model(source, _source_key(place, source)).exists()


def _record(place: Place, name: str, key: str) -> None:
    record_source(place.layout.source_model(name, key), place.layout.source_record(name))


def key_of_source(place: Place, name: str) -> str | None:
    """Return the key of the source model that a method starts from, None for none."""
    source = place.settings.method(name).source
    if source is None:
        return None
    return _source_key(place, source)


def _source_key(place: Place, source: str) -> str:
    return source_key(place.settings, source, place.environment, place.gym)
