import os
import signal
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import pytest

from dpf_core.errors import ConfigError, GymError, ProcessError
from pipeline.science.jobs import _run_in_pool, default_jobs, run_jobs
from pipeline.science.settings_file import load_science
from tests.pipeline.science.small_science import place, write_params


@dataclass(frozen=True)
class SumJob:
    """A job that fails, or takes its time."""

    name: str
    point: int
    target: str = "mood"
    seed: int = 13
    error: Exception | None = None
    seconds: float = 0.0

    def run(self, worker):
        if self.error is not None:
            raise self.error
        time.sleep(self.seconds)
        return self.point


def yielded(here, jobs, num_processes, error):
    """Return what was yielded before the error, and the error."""
    found = []
    with pytest.raises(type(error)) as raised:
        found.extend(result for _, result in run_jobs(here, jobs, num_processes))
    return found, raised.value


def test_an_error_names_its_job_and_the_file_of_its_settings(project):
    error = GymError("rows must be there, got 0. Add some.")
    jobs = [SumJob("dpf", 0), SumJob("dpf", 1, error=error), SumJob("dpf", 2)]
    found, raised = yielded(place(project), jobs, 1, error)
    assert found == [0]
    assert str(raised) == (
        f"sum of dpf, point 1, target mood, seed 13, by {project.params}: "
        "rows must be there, got 0. Add some."
    )


def test_our_own_mistake_keeps_its_words_and_notes_its_job(project):
    error = RuntimeError("[4, 3] is no [3, 4]")
    raised = yielded(place(project), [SumJob("dpf", 1, error=error)], 1, error)[1]
    assert str(raised) == "[4, 3] is no [3, 4]"
    assert raised.__notes__ == ["sum of dpf, point 1, target mood, seed 13"]


@pytest.mark.slow
def test_what_is_under_way_when_another_job_fails_is_yielded_first(project):
    error = GymError("rows must be there, got 0.")
    jobs = [SumJob("dpf", 0, error=error), SumJob("mpt", 1, seconds=2), SumJob("dpf", 2)]
    found, raised = yielded(place(project), jobs, 2, error)
    assert 1 in found
    assert str(raised).startswith("sum of dpf, point 0, target mood, seed 13, by ")


@pytest.mark.slow
def test_every_job_of_several_processes_is_yielded_once(project):
    found = list(run_jobs(place(project), [SumJob("dpf", i) for i in range(7)], 2))
    assert sorted((job.point, result) for job, result in found) == [(i, i) for i in range(7)]


class Killed:
    def run(self, worker):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_process_that_was_killed_ends_the_run_with_a_sentence(project):
    with pytest.raises(ProcessError, match="got one that was killed"):
        list(run_jobs(place(project), [Killed(), Killed()], 2))


class BreakingPool:
    """A pool that does the jobs of two processes at once and breaks at the third."""

    def __init__(self):
        self.left = 2

    def submit(self, run, job):
        if not self.left:
            raise BrokenProcessPool
        self.left -= 1
        future = Future()
        future.set_result(job.point)
        return future


def test_what_was_done_before_a_process_was_killed_is_yielded(project):
    jobs, found = [SumJob("dpf", i) for i in range(4)], []
    with pytest.raises(BrokenProcessPool):
        found.extend(point for _, point in _run_in_pool(BreakingPool(), place(project), jobs, 2))
    assert sorted(found) == [0, 1]


@pytest.mark.parametrize("jobs", [0, -1])
def test_the_number_of_processes_is_checked(project, jobs):
    with pytest.raises(ConfigError, match=f"--jobs must be >= 1, got {jobs}"):
        list(run_jobs(place(project), [], jobs))


def test_a_gpu_is_given_to_one_process_unless_more_are_asked_for(project, backbone_folder):
    write_params(project, backbone_folder, runtime__device="cuda")
    assert default_jobs(load_science(project.params)) == 1
