"""Building a gym: every task's files in CrossFit's format, and the manifest beside them."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dpf_core.errors import GymError
from dpf_core.files import sha256_file, write_json
from dpf_core.gym.incoming import incoming_tasks
from dpf_core.gym.manifest import MANIFEST_FILE, Manifest, TaskRecord, is_gym
from dpf_core.gym.recipes import EarlierGym, recipe, write_recipes
from dpf_core.gym.sources import Source
from dpf_core.gym.staging import replaced_directory
from dpf_core.gym.task_build import build_task
from dpf_core.gym.task_spec import TaskSpec
from dpf_core.gym.workers import Call, run_calls

BUILT, REUSED, FAILED = "built", "reused", "not built"


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskDone:
    """One task that is done, for whoever watches a build."""

    name: str
    how: str
    """`built`, `reused` or `not built`."""
    seconds: float
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class _Work:
    source: Source
    spec: TaskSpec
    may_fail: bool


def build_gym(
    source: Source,
    specs: Sequence[TaskSpec],
    out_dir: Path,
    *,
    jobs: int = 1,
    incoming: Path | None = None,
    missing: Mapping[str, str] | None = None,
    watch: Callable[[TaskDone], None] | None = None,
) -> Manifest:
    """Build tasks into a folder and return its manifest.

    The folder is replaced as a whole, and only when every task is built. Tasks of an earlier gym in
    it whose specification, source files and code are unchanged are taken over.

    Args:
        source: Where the rows of `specs` are.
        specs: The tasks to build.
        out_dir: The gym's folder: new, empty, or an earlier gym.
        jobs: Processes that build tasks; 1 builds in this one. The result is the same.
        incoming: A folder with a user's own tasks, which are built too; it may be absent.
        missing: The reason for each task that the source lacks, as `Selection.missing`, for the
            manifest; a task of `specs` that cannot be built then is left out and stands there too.
            None: it ends the build.
        watch: Called when a task is done.

    Raises:
        GymError: A task cannot be built, two tasks have one name, there is no task, or the folder
            cannot be written. An earlier gym is then untouched.
    """
    work = [_Work(source, spec, missing is not None) for spec in specs]
    if incoming is not None:
        own_source, own_specs = incoming_tasks(incoming)
        work += [_Work(own_source, spec, False) for spec in own_specs]
    if not work:
        raise GymError(_nothing_to_build(missing or {}))
    _check_names(work)
    with replaced_directory(Path(out_dir), is_ours=is_gym) as fresh:
        build = _Build(work, fresh, EarlierGym.open(out_dir), watch)
        build.run(jobs)
        manifest = Manifest(
            source=source.name,
            tasks=build.tasks(),
            missing=dict(missing or {}),
            failed=dict(sorted(build.failed.items())),
        )
        write_json(fresh / MANIFEST_FILE, manifest.to_json())
    write_recipes(out_dir, build.recipes, list(manifest.tasks))
    return manifest


class _Build:
    """A build under way: the tasks that are done, and those that failed."""

    def __init__(
        self,
        work: Sequence[_Work],
        fresh: Path,
        earlier: EarlierGym,
        watch: Callable[[TaskDone], None] | None,
    ) -> None:
        self.work = {item.spec.name: item for item in work}
        self.fresh, self.earlier, self.watch = fresh, earlier, watch
        self.records: dict[str, TaskRecord] = {}
        self.recipes: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self._hashes: dict[Path, str] = {}

    def run(self, jobs: int) -> None:
        """Take over what is unchanged and build the rest, the largest sources first."""
        waiting = [item for item in self.work.values() if not self._take(item)]
        waiting.sort(key=_source_bytes, reverse=True)
        calls = [
            Call(item.spec.name, build_task, (item.source, item.spec, self.fresh))
            for item in waiting
        ]
        results = run_calls(calls, jobs)
        with closing(results):
            for name, outcome, seconds in results:
                if isinstance(outcome, GymError):
                    self._fail(name, outcome, seconds)
                else:
                    self._finish(name, outcome, BUILT, seconds)

    def tasks(self) -> tuple[TaskRecord, ...]:
        """Return the records of all tasks by name.

        Raises:
            GymError: There is none.
        """
        if not self.records:
            name, reason = next(iter(self.failed.items()))
            raise GymError(
                f"a gym must have at least one task, got none of {len(self.work)} built; the first "
                f"one, {name}: {reason}"
            )
        return tuple(self.records[name] for name in sorted(self.records))

    def _take(self, item: _Work) -> bool:
        name = item.spec.name
        if name not in self.earlier.recipes:
            return False
        start = time.perf_counter()
        wanted = self._recipe(item)
        record = None if wanted is None else self.earlier.take(name, wanted, self.fresh)
        if record is None:
            return False
        self._finish(name, record, REUSED, time.perf_counter() - start)
        return True

    def _recipe(self, item: _Work) -> str | None:
        paths = _source_files(item)
        if paths is None:
            return None
        for path in paths.values():
            if path not in self._hashes:
                self._hashes[path] = sha256_file(path)
        hashes = {key: self._hashes[path] for key, path in paths.items()}
        return recipe(item.source.name, item.spec, hashes)

    def _finish(self, name: str, record: TaskRecord, how: str, seconds: float) -> None:
        item = self.work[name]
        self.records[name] = record
        self.recipes[name] = recipe(item.source.name, item.spec, record.source.files)
        self._tell(name, how, seconds)

    def _fail(self, name: str, error: GymError, seconds: float) -> None:
        if not self.work[name].may_fail:
            raise error
        self.failed[name] = str(error)
        self._tell(name, FAILED, seconds)

    def _tell(self, name: str, how: str, seconds: float) -> None:
        if self.watch is not None:
            done = len(self.records) + len(self.failed)
            total = len(self.work)
            self.watch(TaskDone(name=name, how=how, seconds=seconds, done=done, total=total))


def _source_files(item: _Work) -> dict[str, Path] | None:
    """Return the task's source files, or None if they cannot be had, as its build will say."""
    try:
        paths = item.source.files(item.spec)
    except GymError:
        return None
    return paths if all(path.is_file() for path in paths.values()) else None


def _source_bytes(item: _Work) -> int:
    return sum(path.stat().st_size for path in (_source_files(item) or {}).values())


def _nothing_to_build(missing: Mapping[str, str]) -> str:
    if not missing:
        return "a gym must have at least one task, got none. Name tasks, or use 'all'."
    name, reason = next(iter(missing.items()))
    return (
        f"a gym must have at least one task, got none of {len(missing)} chosen; the first one, "
        f"{name}: {reason}. Correct the source's folder, or choose other tasks."
    )


def _check_names(work: Sequence[_Work]) -> None:
    origins: dict[str, str] = {}
    for item in work:
        name, origin = item.spec.name, item.source.name
        if name in origins:
            raise GymError(
                f"a task name must occur once in a gym, got {name!r} twice (from "
                f"{origins[name]} and from {origin}). Rename or leave out one of them."
            )
        origins[name] = origin
