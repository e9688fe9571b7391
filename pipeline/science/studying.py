"""Filling what studies lack: source models in one round, cells in the next.

A cell or a source model that stands anywhere among the records, as of the table or of another
study, is taken from there: equal keys mean equal results.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, product
from typing import Generic, TypeVar

from dpf_core.files import write_json
from pipeline.science.cell import CellJob
from pipeline.science.jobs import Job, Place, run_jobs
from pipeline.science.keys import Json, cell_key, data_key, method_setup, source_key
from pipeline.science.layout import Layout
from pipeline.science.lock import alone
from pipeline.science.progress import say, shown
from pipeline.science.records import Cell, add_cell, read_cells, read_record, require_setup
from pipeline.science.running import Done, key_of_source
from pipeline.science.settings import ScienceSettings
from pipeline.science.source_training import record_source, source_jobs
from pipeline.science.studies import Point, Studies, Study, variant, varied
from pipeline.science.tuning import Origin, Sweep
from pipeline.science.worker import Worker

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A point of a study, and what its cells are made of."""

    study: str
    point: str
    settings: ScienceSettings
    source: str
    """Name of the source."""
    source_key: str
    setup: Json
    """What its cells are recorded under."""
    cells: tuple[CellJob, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PointJob(Generic[R]):
    """A job under the settings of a point."""

    name: str
    """Which it is, in words."""
    settings: ScienceSettings
    job: Job[R]

    def run(self, worker: Worker) -> R:
        """Return what the job does.

        Raises:
            DPFError: As the job.
        """
        return self.job.run(worker.under(self.settings))


def run_studies(
    place: Place,
    studies: Studies,
    names: Sequence[str],
    *,
    num_processes: int,
    replace: bool = False,
) -> Done:
    """Run what is missing of studies, one after another; each cell is on disk when it is done.

    Args:
        place: Where they run.
        studies: Read and checked.
        names: Of those to run, each once.
        num_processes: At a time.
        replace: Drop recorded cells of another setup, as of other settings or another torch.

    Raises:
        ConfigError: There is no such study, the method has no record of its tuning, or there are
            cells of another setup, which are not to be replaced.
        ProcessError: Another run is under way.
        DPFError: A cell or a source model cannot be made; what is done stays done.
    """
    chosen = [studies.study(name) for name in names]
    with alone(place.layout):
        plans = {
            study.name: [plan_of(place, studies, study, point) for point in study.points]
            for study in chosen
        }
        for plan in () if replace else chain(*plans.values()):
            require_setup(place.layout.study_cells(plan.study, plan.point), plan.setup)
        ran = [
            _run(place, studies, named, num_processes, replace=replace) for named in plans.values()
        ]
    num_rows = sum(len(study.points) * len(study.targets) for study in chosen)
    total = num_rows * len(studies.seeds)
    return Done(ran=sum(ran), kept=total - sum(ran))


def _run(
    place: Place, studies: Studies, plans: Sequence[Plan], num_processes: int, *, replace: bool
) -> int:
    """Run a study and return how many cells there were to run."""
    _take_over(place, studies, plans, replace=replace)
    waiting = {
        f"{_words(plan)}, {job.target} {job.seed}": (plan, job)
        for plan in plans
        for job in _missing(place, plan)
    }
    needy = {plan.point for plan, _ in waiting.values()}
    untold = [plan for plan in plans if plan.point in needy or not _is_source_told(place, plan)]
    _make_sources(place, untold, num_processes)
    jobs = [
        PointJob(name=name, settings=plan.settings, job=job)
        for name, (plan, job) in waiting.items()
    ]
    with closing(run_jobs(place, jobs, num_processes)) as results:
        for done, cell in shown(results, len(jobs), plans[0].study, "cell"):
            _add(place, *waiting[done.name], cell, replace=replace)
            say(f"{done.name}: {cell.score:.4f} ({cell.seconds:.1f} s)")
    return len(jobs)


def plan_of(place: Place, studies: Studies, study: Study, point: Point) -> Plan:
    """Return what a point needs.

    Raises:
        ConfigError: The method has no record of its tuning on these rows.
    """
    own, name = place.settings, studies.method
    origin = Origin.of(own, place.environment, place.gym, key_of_source(place, name))
    number = Sweep(own, place.layout, name).require(origin)
    settings = variant(own, studies, point)
    method, source = varied(studies, settings)
    key = source_key(settings, source, place.environment, place.gym)
    setup = method_setup(settings, method, method.sweep[number], place.environment, key)
    return Plan(
        study=study.name,
        point=point.name,
        settings=settings,
        source=source,
        source_key=key,
        setup=setup,
        cells=tuple(
            CellJob(name=name, point=number, target=target, seed=seed, setup=setup)
            for target, seed in product(study.targets, studies.seeds)
        ),
    )


def _take_over(place: Place, studies: Studies, plans: Sequence[Plan], *, replace: bool) -> None:
    """Record what stands under the same key elsewhere."""
    layout = place.layout
    sources = {record.get("key"): record for record in _told_sources(place, studies)}
    cells = {cell.key: cell for cell in _recorded(layout, studies)}
    for plan in plans:
        if plan.source_key in sources and not _is_source_told(place, plan):
            path = layout.study_source(plan.study, plan.point)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, sources[plan.source_key])
        for job in _missing(place, plan):
            if (found := cells.get(_key(place, job))) is not None:
                _add(place, plan, job, found, replace=replace)


def _recorded(layout: Layout, studies: Studies) -> Iterator[Cell]:
    """Yield every cell of the table's method and of all studies."""
    paths = [layout.study_cells(*where) for where in _everywhere(studies)]
    for path in [layout.cells(studies.method), *paths]:
        if (found := read_cells(path)) is not None:
            yield from found.cells.values()


def _told_sources(place: Place, studies: Studies) -> Iterator[Json]:
    """Yield the record of the source model of the table's method and of all studies."""
    _, own = varied(studies, place.settings)
    paths = [place.layout.study_source(*where) for where in _everywhere(studies)]
    for path in [place.layout.source_record(own), *paths]:
        if (record := read_record(path)) is not None:
            yield record


def _everywhere(studies: Studies) -> list[tuple[str, str]]:
    found = studies.studies.values()
    return [(study.name, point.name) for study in found for point in study.points]


def _make_sources(place: Place, plans: Sequence[Plan], num_processes: int) -> None:
    """Train the source models that plans need, where they are not there, and record them."""
    rounds: dict[int, dict[str, PointJob[Json]]] = {}
    for plan in plans:
        found = source_jobs(
            plan.settings, place.layout, place.environment, place.gym, {plan.source}
        )
        for number, jobs in enumerate(found):
            for job in jobs:
                named = f"{_words(plan)}, source {job.name}"
                one = PointJob(name=named, settings=plan.settings, job=job)
                rounds.setdefault(number, {})[job.key] = one
    for number in sorted(rounds):
        waiting = list(rounds[number].values())
        with closing(run_jobs(place, waiting, num_processes)) as results:
            for job, made in shown(results, len(waiting), "sources", "model"):
                say(f"{job.name}: dev {made['dev_mean_score']:.4f}")
    for plan in plans:
        folder = place.layout.source_model(plan.source, plan.source_key)
        record_source(folder, place.layout.study_source(plan.study, plan.point))


def _is_source_told(place: Place, plan: Plan) -> bool:
    record = read_record(place.layout.study_source(plan.study, plan.point))
    return record is not None and record.get("key") == plan.source_key


def _missing(place: Place, plan: Plan) -> list[CellJob]:
    """Return the cells of a point that are absent, or were made of something else."""
    recorded = read_cells(place.layout.study_cells(plan.study, plan.point))
    keys = set() if recorded is None else {cell.key for cell in recorded.cells.values()}
    return [job for job in plan.cells if _key(place, job) not in keys]


def _key(place: Place, job: CellJob) -> str:
    return cell_key(job.setup, data_key(place.gym, job.target, job.seed), job.seed)


def _add(place: Place, plan: Plan, job: CellJob, cell: Cell, *, replace: bool) -> None:
    path = place.layout.study_cells(plan.study, plan.point)
    add_cell(path, job.name, job.setup, (job.target, job.seed), cell, replace=replace)


def _words(plan: Plan) -> str:
    return f"{plan.study} {plan.point}"
