"""Everything that is wrong with a user's task at once: folder, `task.yaml`, rows, and their build.

Rows are read as a build reads them, by the same readers and the same interpreter, but a wrong row
does not end the reading. Then the right rows are built for trial, so that a task without problems
is one that joins the gym.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpf_core.errors import GymError
from dpf_core.gym.build import build_gym
from dpf_core.gym.incoming import TASK_FILE, TEST, TRAIN, IncomingSource, task_folders
from dpf_core.gym.records import Problem, Record
from dpf_core.gym.row_files import READERS, read_records
from dpf_core.gym.rows import read_pairs
from dpf_core.gym.task_file import check_task_file, without_place
from dpf_core.gym.task_spec import TaskSpec
from dpf_core.naming import check_task_name

LISTED = 100
"""Problems of one file that are listed; the others are counted."""
_MOST_WRONG = 10_000
"""With more wrong rows in a file there is no trial: the others would say little."""


@dataclass(slots=True)
class TaskCheck:
    """What was found in one task folder."""

    name: str
    problems: list[Problem] = field(default_factory=list)
    unlisted: dict[str, int] = field(default_factory=dict)
    """Further problems by file, which are only counted."""
    rows: dict[str, int] = field(default_factory=dict)
    """Right rows of each split."""
    unread: list[str] = field(default_factory=list)
    """Files that no build reads."""

    @property
    def passed(self) -> bool:
        """Whether the task is ready for a gym."""
        return not self.problems and not self.unlisted

    def to_json(self) -> dict[str, Any]:
        """Return the check as `dpf gym check --json` prints it."""
        return {
            "name": self.name,
            "passed": self.passed,
            "problems": [
                {"file": found.file, "line": found.line, "message": found.message}
                for found in self.problems
            ],
            "unlisted": self.unlisted,
            "rows": self.rows,
            "unread": self.unread,
        }


def check_tasks(directory: Path, *, limit: int = LISTED) -> list[TaskCheck]:
    """Return what is wrong with the task in a folder, or with each task folder in it.

    Args:
        directory: A task's folder, or a folder of such folders as data/incoming is.
        limit: Problems of one file that are listed.

    Raises:
        GymError: There is no such folder, or no task in it.
    """
    directory = Path(directory).resolve()
    if not directory.is_dir():
        raise GymError(
            f"a task must be a folder, got {directory}, which is none. Make one with `dpf gym new`."
        )
    if (directory / TASK_FILE).exists() or any(_row_files(directory)):
        return [check_task(directory, limit=limit)]
    folders = task_folders(directory)
    if not folders:
        raise GymError(
            f"a task must have {TASK_FILE} and rows, got neither in {directory}. Make a task with "
            "`dpf gym new`."
        )
    return [check_task(folder, limit=limit) for folder in folders]


def check_task(folder: Path, *, limit: int = LISTED) -> TaskCheck:
    """Return everything that is wrong with the task in a folder."""
    check = TaskCheck(folder.name, list(_folder_problems(folder)))
    is_whole = not check.problems
    spec = None
    if (folder / TASK_FILE).is_file():
        checked = check_task_file(folder)
        check.problems += checked.problems
        spec = checked.spec
    files = [_FileCheck(path, spec, limit) for path in _row_files(folder)]
    for file in files:
        check.rows[file.path.stem] = file.rows_right
        check.problems += file.problems
        if file.unlisted:
            check.unlisted[file.path.name] = file.unlisted
    if spec is not None and is_whole and all(file.is_usable for file in files):
        check.problems += _trial(folder, spec, {file.path.name: file.wrong for file in files})
    known = {TASK_FILE, *(file.path.name for file in files)}
    check.unread = sorted(path.name for path in folder.iterdir() if path.name not in known)
    return check


def _folder_problems(folder: Path) -> Iterator[Problem]:
    try:
        check_task_name(folder.name, "the folder")
    except GymError as error:
        yield Problem(folder.name, None, str(error))
    if not (folder / TASK_FILE).is_file():
        yield Problem(TASK_FILE, None, "there must be such a file, got none. Write it.")
    for split in (TRAIN, TEST):
        names = [path.name for path in _row_files(folder) if path.stem == split]
        choices = ", ".join(f"{split}{ending}" for ending in READERS)
        if len(names) > 1:
            message = f"there must be one of {choices}, got {', '.join(names)}. Remove the others."
            yield Problem(folder.name, None, message)
        elif not names and split == TRAIN:
            yield Problem(
                folder.name, None, f"there must be one of {choices}, got none. Add the rows."
            )


def _row_files(folder: Path) -> Iterator[Path]:
    names = (f"{split}{ending}" for split in (TRAIN, TEST) for ending in READERS)
    return (folder / name for name in names if (folder / name).is_file())


def _records(path: Path, spec: TaskSpec | None) -> Iterator[Record]:
    """Yield the records of a file as a build does, or without a specification any columns."""
    if spec is not None:
        return IncomingSource(path.parent).records(path, spec)
    return read_records(path, ("input", "output") if path.suffix == ".tsv" else ())


class _FileCheck:
    """One file, read to its end; as a source it gives the interpreter what is a row at all."""

    name = IncomingSource.name

    def __init__(self, path: Path, spec: TaskSpec | None, limit: int) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.unlisted = 0
        self.wrong: set[int] = set()
        self._limit = limit
        self._records = _records(path, spec)
        self._line = 0
        self.rows_right = sum(1 for _ in self.rows()) if spec is None else self._count(spec)
        if not self.rows_right and not self.problems:
            self._add(Problem(path.name, None, "there must be rows, got none. Add some."))

    @property
    def is_usable(self) -> bool:
        """Whether the right rows are worth a trial."""
        has_whole_problem = any(problem.line is None for problem in self.problems)
        return self.rows_right > 0 and not has_whole_problem and len(self.wrong) <= _MOST_WRONG

    def rows(self, *_: object) -> Iterator[Mapping[str, Any]]:
        """Yield the rows that were not given yet."""
        for record in self._records:
            if isinstance(record, Problem):
                self._add(record)
            else:
                self._line = record.line
                yield record.columns

    def files(self, _: TaskSpec) -> dict[str, Path]:
        """Return the file."""
        return {self.path.name: self.path}

    def dropped(self, _: TaskSpec) -> dict[str, int]:
        """Return nothing."""
        return {}

    def _count(self, spec: TaskSpec) -> int:
        count = 0
        while True:
            try:
                for _ in read_pairs(self, spec, self.path.stem, Counter()):
                    count += 1
            except GymError as error:  # of the row that was given last; the next call goes on
                self._add(Problem(self.path.name, self._line, without_place(error)))
            else:
                return count

    def _add(self, problem: Problem) -> None:
        if len(self.problems) < self._limit:
            self.problems.append(problem)
        else:
            self.unlisted += 1
        if problem.line is not None and len(self.wrong) <= _MOST_WRONG:
            self.wrong.add(problem.line)


class _RightRows(IncomingSource):
    """A user's tasks without the rows that are known to be wrong."""

    def __init__(self, directory: Path, wrong: Mapping[str, set[int]]) -> None:
        super().__init__(directory)
        self.wrong = wrong

    def records(self, path: Path, spec: TaskSpec) -> Iterator[Record]:
        for record in super().records(path, spec):
            if record.line not in self.wrong[path.name]:
                yield record


def _trial(folder: Path, spec: TaskSpec, wrong: Mapping[str, set[int]]) -> Iterator[Problem]:
    """Yield what keeps the right rows from being a task, such as too few of a label."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            build_gym(_RightRows(folder.parent, wrong), [spec], Path(scratch, "gym"))
        except GymError as error:
            yield Problem(folder.name, None, without_place(error))
