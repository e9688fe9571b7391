"""Jobs in several processes, each of which keeps its backbone and source models.

Torch has the threads that the settings say in each process, so that the number of processes changes
no bit.
"""

import os
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from typing import Protocol, TypeVar

from dpf_core.errors import ConfigError, DPFError, ProcessError
from pipeline.science.environment import Environment
from pipeline.science.layout import Layout
from pipeline.science.rows import ScienceGym
from pipeline.science.settings import ScienceSettings
from pipeline.science.worker import Worker

_MOST_JOBS = 8
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class Job(Protocol[R_co]):
    """Something that a worker can do; it is sent to its process."""

    def run(self, worker: Worker) -> R_co:
        """Do it and return what came out.

        Raises:
            DPFError: Rows, settings or files are wrong.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where jobs run: what every worker is made of."""

    settings: ScienceSettings
    layout: Layout
    gym: ScienceGym
    environment: Environment

    def worker(self) -> Worker:
        """Return a worker of this process."""
        return Worker(self.settings, self.layout, self.gym, self.environment)


def default_jobs(settings: ScienceSettings) -> int:
    """Return the processes that keep this machine busy: of a GPU one, else at most 8 for memory."""
    if settings.runtime.device != "cpu":
        return 1
    return max(1, min(_MOST_JOBS, (os.cpu_count() or 1) // settings.runtime.num_threads))


def check_jobs(num_processes: int) -> int:
    """Return the number of processes if there can be so many.

    Raises:
        ConfigError: It is out of range.
    """
    if num_processes < 1:
        raise ConfigError(f"--jobs must be >= 1, got {num_processes}. Use the number of cores.")
    return num_processes


def run_jobs(
    place: Place, jobs: Sequence[Job[R]], num_processes: int
) -> Generator[tuple[Job[R], R], None, None]:
    """Yield each job and its result, as they end.

    When one fails, no further job is begun; those under way are waited for and yielded before its
    error is raised, which names the job. Close the generator to end early: no further job is then
    begun either, and those under way are waited for. Processes end with this one, also when it is
    killed.

    Args:
        place: Where they run.
        jobs: In the order in which they are begun.
        num_processes: 1 runs in this one.

    Raises:
        ConfigError: The number of processes is out of range.
        DPFError: What a job raises.
        ProcessError: A process was killed.
    """
    check_jobs(num_processes)
    if num_processes == 1 or len(jobs) <= 1:
        worker = place.worker()
        for job in jobs:
            with _named(job, place):
                result = job.run(worker)
            yield job, result
        return
    pool = ProcessPoolExecutor(
        min(num_processes, len(jobs)),
        mp_context=get_context("spawn"),
        initializer=_start,
        initargs=(place,),
    )
    with pool:
        try:
            yield from _run_in_pool(pool, place, jobs, num_processes)
        except BrokenProcessPool as error:
            raise ProcessError(
                f"every process must run to its end, got one that was killed ({num_processes} "
                "jobs), as when memory runs out. Use fewer jobs; what is done stays done."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _run_in_pool(
    pool: ProcessPoolExecutor, place: Place, jobs: Sequence[Job[R]], num_processes: int
) -> Generator[tuple[Job[R], R], None, None]:
    """Yield as `run_jobs`; no more jobs are handed out than there are processes."""
    waiting = iter(jobs)
    under_way = {pool.submit(_run, job): job for job in islice(waiting, num_processes)}
    failed: tuple[Future[R], Job[R]] | None = None
    while under_way:
        ended = [
            (future, under_way.pop(future))
            for future in wait(under_way, return_when=FIRST_COMPLETED).done
        ]
        fine = [pair for pair in ended if pair[0].exception() is None]
        failed = failed or next((pair for pair in ended if pair not in fine), None)
        for future, job in fine:
            yield job, future.result()
        begun = islice(waiting, 0 if failed else len(ended))
        under_way |= {pool.submit(_run, job): job for job in begun}
    if failed is not None:
        with _named(failed[1], place):
            failed[0].result()


@contextmanager
def _named(job: object, place: Place) -> Iterator[None]:
    """Let what a job raises say which it was, and where its settings stand."""
    try:
        yield
    except DPFError as error:
        error.args = (f"{_describe(job)}, by {place.layout.params}: {error}",)
        raise
    except Exception as error:
        error.add_note(_describe(job))
        raise


def _describe(job: object) -> str:
    kind = type(job).__name__.removesuffix("Job").lower()
    parts = [f" of {job.name}"] if hasattr(job, "name") else []
    parts += [
        f", {key} {getattr(job, key)}" for key in ("point", "target", "seed") if hasattr(job, key)
    ]
    return kind + "".join(parts)


def _start(place: Place) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the parent alone says that it was interrupted
    _end_with_parent()
    _worker.append(place.worker())


def _run(job: Job[R]) -> R:
    return job.run(_worker[0])


def _end_with_parent() -> None:
    """Let a process end when its parent is killed, so that no orphan stays behind."""
    parent = parent_process()
    assert parent is not None  # this runs in a process of the pool

    def wait() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


_worker: list[Worker] = []
"""The one of this process."""
