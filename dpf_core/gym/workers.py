"""Running calls in this process or in several, with the first results first."""

import os
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from typing import Any, Generic, TypeVar

from dpf_core.errors import GymError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A function of a module and its arguments, by a name."""

    name: str
    function: Callable[..., T]
    arguments: tuple[Any, ...]


def run_calls(
    calls: Sequence[Call[T]], jobs: int
) -> Generator[tuple[str, T | GymError, float], None, None]:
    """Yield the name, the result and the seconds of each call, as they end.

    A `GymError` is a result too; any other error ends the run. Close the generator to end it early:
    no further call is then begun, and those under way are waited for.

    Args:
        calls: What to run, in the order in which it is begun.
        jobs: Processes; 1 runs in this one.

    Raises:
        GymError: A process was killed.
    """
    if jobs == 1 or len(calls) <= 1:
        for call in calls:
            yield call.name, *_timed(call)
        return
    pool = ProcessPoolExecutor(
        min(jobs, len(calls)), mp_context=get_context("spawn"), initializer=_end_with_parent
    )
    with pool:
        try:
            futures = {pool.submit(_timed, call): call.name for call in calls}
            for future in as_completed(futures):
                yield futures[future], *future.result()
        except BrokenProcessPool as error:
            raise GymError(
                f"a building process must run to its end, got one that was killed ({jobs} jobs), "
                "as when memory runs out. Use fewer jobs."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _timed(call: Call[T]) -> tuple[T | GymError, float]:
    start = time.perf_counter()
    result: T | GymError
    try:
        result = call.function(*call.arguments)
    except GymError as error:
        result = error
    return result, time.perf_counter() - start


def _end_with_parent() -> None:
    """Let a worker end when its parent is killed, so that no orphan stays behind."""
    parent = parent_process()
    assert parent is not None  # this runs in a worker

    def wait() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
