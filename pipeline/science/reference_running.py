"""Filling what is missing of a reference: its sources, its sweep, its cells."""

from contextlib import closing
from pathlib import Path

from dpf_core.backbone.families import family_of
from dpf_core.backbone.files import resolve_directory
from dpf_core.errors import ConfigError
from dpf_core.files import read_json, sha256_file
from pipeline.science.jobs import Place, run_jobs
from pipeline.science.keys import cell_key
from pipeline.science.lock import alone
from pipeline.science.progress import say, shown
from pipeline.science.records import Cells, add_cell, read_cells
from pipeline.science.reference_training import (
    ReferenceJob,
    ReferenceSourceJob,
    ReferenceTuningJob,
)
from pipeline.science.references import LEARNING_RATES, MPT, Machine, Reference, ReferenceSweep
from pipeline.science.running import Done
from pipeline.science.status import checked_rows


def open_reference(place: Place, name: str) -> Reference:
    """Return a reference that can run here.

    Raises:
        ConfigError: There is none of that name, PEFT is not installed, the backbone is no encoder,
            or no target or no source task is a classification.
    """
    rows, machine = checked_rows(place.settings, place.layout), Machine.here(place.environment)
    reference = Reference(name=name, settings=place.settings, rows=rows, machine=machine)
    model_type = str(read_json(_config(place))["model_type"])
    if family_of(model_type, str(_config(place))).kind != "encoder":
        raise ConfigError(
            f"a reference must have an encoder as backbone, which PEFT's SEQ_CLS classifies by, "
            f"got {model_type} (backbone.name). Name an encoder."
        )
    if not reference.targets:
        raise ConfigError(
            "a reference must have a classification target, for a sequence classifier has no "
            f"options and writes no text, got {', '.join(reference.left_out)} (gym.targets)."
        )
    if reference.name == MPT and not reference.sources:
        raise ConfigError(
            f"{MPT} must have a classification source to learn from, got "
            f"{', '.join(place.settings.gym.sources)} (gym.sources). Add one."
        )
    return reference


def run_reference(place: Place, reference: Reference, *, num_processes: int) -> Done:
    """Run what is missing of a reference; each result is on disk as soon as it is there.

    Args:
        place: Where it runs.
        reference: From `open_reference`.
        num_processes: At a time.

    Raises:
        ConfigError: There are cells of other settings, rows or versions.
        ProcessError: Another run is under way.
        DPFError: A cell cannot be made; what is done stays done.
    """
    with alone(place.layout):
        sweep = ReferenceSweep(reference, place.layout)
        earlier = _earlier(place, reference, sweep)
        total = len(reference.targets) * len(place.settings.gym.seeds)
        if not sweep.missing and not _missing(reference, _chosen(sweep), None, earlier):
            return Done(ran=0, kept=total)
        source = _make_source(place, sweep, num_processes)
        _tune(place, sweep, source, num_processes)
        jobs = _missing(reference, _chosen(sweep), source, earlier)
        with closing(run_jobs(place, jobs, num_processes)) as results:
            for job, cell in shown(results, len(jobs), reference.name, "cell"):
                add_cell(
                    place.layout.reference(reference.name),
                    reference.name,
                    job.setup,
                    (job.target, job.seed),
                    cell,
                )
                say(f"{job.name} {job.target} {job.seed}: {cell.score:.4f}")
        return Done(ran=len(jobs), kept=total - len(jobs))


def _config(place: Place) -> Path:
    return resolve_directory(place.settings.backbone) / "config.json"


def _earlier(place: Place, reference: Reference, sweep: ReferenceSweep) -> Cells:
    """Return the recorded cells, before anything is trained that could not stand beside them."""
    path = place.layout.reference(reference.name)
    found = read_cells(path)
    if found is None or not found.cells:
        return {}
    if sweep.chosen is None or found.setup != reference.setup(sweep.chosen):
        raise ConfigError(
            "recorded cells of a reference must be of the settings, rows and versions that new "
            f"ones are of, got {len(found.cells)} of others ({path}). Remove it and {sweep.path}, "
            "and run again."
        )
    return found.cells


def _make_source(place: Place, sweep: ReferenceSweep, num_processes: int) -> Path | None:
    """Return what the reference learns from the sources, None for nothing; it is the recorded one.

    Raises:
        ConfigError: What is recorded was made from another one.
    """
    reference = sweep.reference
    key = reference.source_key
    if key is None:
        return None
    path, known = place.layout.reference_source(reference.name, key), {}
    if not path.exists():
        setup = reference.setup(0)
        jobs = [ReferenceSourceJob(name=reference.name, setup=setup, path=path)]
        with closing(run_jobs(place, jobs, num_processes)) as results:
            for job, made in shown(results, len(jobs), "sources", "model"):
                say(f"source {job.name}: dev {made['dev_score']:.4f}")
                known = made
    sweep.start_from({**known, "sha256": sha256_file(path)})
    return path


def _tune(place: Place, sweep: ReferenceSweep, source: Path | None, num_processes: int) -> None:
    reference = sweep.reference
    jobs = [
        ReferenceTuningJob(
            name=reference.name,
            point=point,
            target=target,
            seed=sweep.seed,
            setup=reference.setup(point),
            source=source,
        )
        for point, target in sweep.missing
    ]
    with closing(run_jobs(place, jobs, num_processes)) as results:
        for job, outcome in shown(results, len(jobs), "tune", "run"):
            sweep.add(job.point, job.target, outcome)
            rate = LEARNING_RATES[job.point]
            say(f"{job.name} {rate} {job.target}: dev {outcome['dev_score']:.4f}")


def _chosen(sweep: ReferenceSweep) -> int:
    assert sweep.chosen is not None, "every point has been tried"
    return sweep.chosen


def _missing(
    reference: Reference, point: int, source: Path | None, earlier: Cells
) -> list[ReferenceJob]:
    setup = reference.setup(point)
    jobs = [
        ReferenceJob(
            name=reference.name,
            point=point,
            target=target,
            seed=seed,
            setup=setup,
            source=source,
            data=reference.data(target, seed),
        )
        for target in reference.targets
        for seed in reference.settings.gym.seeds
    ]
    return [
        job
        for job in jobs
        if (job.target, job.seed) not in earlier
        or earlier[job.target, job.seed].key != cell_key(setup, job.data, job.seed)
    ]
