"""The starter gym as a source: from a task's specification to its rows."""

import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from dpf_core.errors import GymError
from dpf_core.gym.spec import TaskSpec
from dpf_core.gym.starter.archive import ARCHIVES
from dpf_core.gym.starter.installed import package_files
from dpf_core.gym.starter.split import Splits, split_examples
from dpf_core.gym.starter.tasks import TASKS, StarterTask
from dpf_core.naming import nearest

GRAMMAR = "grammar"
"""The source id of generated tasks."""
RAW_DIR = Path("data/raw")
"""Where raw data lies in a project, relative to its root."""
_SEED = 2026


class StarterSource:
    """Rows of installed packages, of the pinned archive and of grammars; see `TASKS`.

    The same specification gives the same rows on every machine.

    Args:
        raw_dir: Where the pinned archive is kept, once a task of it is wanted.
    """

    name = "starter"

    def __init__(self, raw_dir: Path = RAW_DIR) -> None:
        self.raw_dir = Path(raw_dir)
        self._splits: dict[str, Splits] = {}

    def rows(self, spec: TaskSpec, split: str) -> Iterator[Mapping[str, object]]:
        """Yield the rows of `train` or `test`.

        Raises:
            GymError: The task or split is unknown, or its package is absent or damaged.
        """
        splits = {"train": self.splits(spec).train, "test": self.splits(spec).test}
        if split not in splits:
            raise GymError(
                f"task {spec.name!r}: a split of the starter gym must be train or test, got "
                f"{split!r}. Correct `splits` in the specification."
            )
        yield from (example.row() for example in splits[split])

    def dropped(self, spec: TaskSpec) -> dict[str, int]:
        """Return how many examples the task leaves out, by reason."""
        return dict(self.splits(spec).dropped)

    def files(self, spec: TaskSpec) -> dict[str, Path]:
        """Return the files that the rows come from; generated tasks have none.

        The pinned archive is fetched here if it is not there: only a wanted task asks for files.

        Raises:
            GymError: A package is absent, or the archive cannot be fetched.
        """
        task = _task(spec)
        if spec.source_id == GRAMMAR:
            return {}
        if archive := ARCHIVES.get(spec.source_id):
            return {archive.file_name: archive.ensure(self.raw_dir)}
        return package_files(spec.source_id, str(spec.source_config), task.files)

    def splits(self, spec: TaskSpec) -> Splits:
        """Return the task's examples, read once."""
        if spec.name not in self._splits:
            self._splits[spec.name] = self._read(spec, _task(spec))
        return self._splits[spec.name]

    def _read(self, spec: TaskSpec, task: StarterTask) -> Splits:
        rng = random.Random(f"{_SEED} {spec.name}")
        try:
            examples = list(task.reader(self._contents(spec, task), rng))
        except GymError:
            raise
        except (OSError, ValueError, LookupError, SyntaxError) as error:
            raise GymError(
                f"task {spec.name!r}: {task.files} of {spec.source_name} must be as published, got "
                f"{type(error).__name__}: {error}. Install the package again."
            ) from error
        return split_examples(examples, rng, max_per_label=task.max_per_label)

    def _contents(self, spec: TaskSpec, task: StarterTask) -> Mapping[str, bytes]:
        if archive := ARCHIVES.get(spec.source_id):
            return archive.contents(self.raw_dir, task.files)
        return {name: path.read_bytes() for name, path in self.files(spec).items()}


def _task(spec: TaskSpec) -> StarterTask:
    if spec.name not in TASKS:
        raise GymError(
            f"task {spec.name!r}: a task of the starter gym must be one of {', '.join(TASKS)}, got "
            f"{spec.name!r}.{nearest(spec.name, TASKS)} Correct the name."
        )
    return TASKS[spec.name]
