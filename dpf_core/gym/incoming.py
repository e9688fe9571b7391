"""A user's own tasks: folders with `task.yaml`, training rows and perhaps test rows.

Rows are one file a split, `train` and `test` with an ending of `row_files.READERS`. A folder is a
task when `task.yaml` and the training rows are there; until then it waits, and whoever looks is
told so.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dpf_core.errors import GymError
from dpf_core.gym.records import Problem, Record
from dpf_core.gym.row_files import READERS, read_records
from dpf_core.gym.spec import TaskSpec, check_keys, spec_from_mapping
from dpf_core.gym.terms import TEXT
from dpf_core.gym.yaml_file import load_plain_yaml
from dpf_core.naming import check_task_name

TASK_FILE = "task.yaml"
TRAIN, TEST = "train", "test"
REQUIRED_KEYS = frozenset({"name", "kind", "category", "description", "licence"})
KEYS = REQUIRED_KEYS | {
    *("labels", "label_texts", "first_label", "options", "first_option"),
    *("input", "clean", "answer", "metric", "shots", "provenance"),
}


class IncomingSource:
    """The rows of a user's tasks."""

    name = "incoming"

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def files(self, spec: TaskSpec) -> dict[str, Path]:
        """Return `task.yaml` and the row files of the task by their place in the folder."""
        folder = self.directory / spec.name
        rows = [row_file(folder, split) or folder / f"{split}.tsv" for split in spec.splits]
        paths = [folder / TASK_FILE, *rows]
        return {f"{spec.name}/{path.name}": path for path in paths}

    def dropped(self, spec: TaskSpec) -> dict[str, int]:
        """Return nothing: every row is the user's own."""
        return {}

    def rows(self, spec: TaskSpec, split: str) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of a split with the columns that the specification reads.

        Raises:
            GymError: There is not exactly one file, or it is damaged, lacks a column or has a line
                that is no row.
        """
        path = row_file(self.directory / spec.name, split)
        if path is None:
            raise GymError(
                f"task {spec.name!r}, split {split!r}: there must be a file {_choices(split)}, got "
                f"none ({self.directory / spec.name}). Add it."
            )
        for record in self.records(path, spec):
            if isinstance(record, Problem):
                raise GymError(f"task {spec.name!r}, file {record}")
            yield record.columns

    def records(self, path: Path, spec: TaskSpec) -> Iterator[Record]:
        """Yield the records of one row file, with the columns that the specification reads."""
        return read_records(path, spec.columns, several_answers=spec.kind == TEXT)


def incoming_tasks(directory: Path) -> tuple[IncomingSource, list[TaskSpec]]:
    """Return the source and the specifications of all tasks in a folder, sorted by name.

    A folder that does not exist holds no task. Folders that still wait are passed over.

    Raises:
        GymError: A `task.yaml` is wrong, or a split has two files.
    """
    source = IncomingSource(Path(directory))
    folders = [path for path in task_folders(directory) if why_waiting(path) is None]
    return source, [read_task(path) for path in folders]


def task_folders(directory: Path) -> list[Path]:
    """Return the folders that are tasks or will be, sorted; hidden ones and files are not."""
    if not Path(directory).is_dir():
        return []
    folders = (path for path in Path(directory).iterdir() if path.is_dir())
    return sorted(path for path in folders if not path.name.startswith("."))


def why_waiting(folder: Path) -> str | None:
    """Return what a folder lacks to be a task, as the end of a sentence; None if it is one.

    Raises:
        OSError: The folder cannot be entered.
    """
    if not folder.name.isprintable():
        return "has a name with signs that cannot be printed, or are no UTF-8"
    if not (folder / TASK_FILE).is_file():
        return f"has no {TASK_FILE} yet"
    if not any((folder / f"{TRAIN}{ending}").is_file() for ending in READERS):
        return f"has no {_choices(TRAIN)} yet"
    return None


def row_file(folder: Path, split: str) -> Path | None:
    """Return the file with the rows of a split, or None.

    Raises:
        GymError: There are several.
    """
    found = [path for end in READERS if (path := folder / f"{split}{end}").is_file()]
    if len(found) > 1:
        raise GymError(
            f"task {folder.name!r}, split {split!r}: there must be one file, got "
            f"{', '.join(path.name for path in found)}. Remove all but one."
        )
    return found[0] if found else None


def read_task(folder: Path) -> TaskSpec:
    """Return the specification in a task folder.

    Raises:
        GymError: The folder's name is no task name, `task.yaml` is wrong, or a split has two files.
    """
    name = check_task_name(folder.name, f"the folder {folder}")
    for split in (TRAIN, TEST):
        row_file(folder, split)
    return task_spec(folder, load_plain_yaml(folder / TASK_FILE, f"task {name!r}").value)


def task_spec(folder: Path, entry: Mapping[str, Any]) -> TaskSpec:
    """Return the specification of the mapping in a folder's `task.yaml`.

    Raises:
        GymError: A key or value is wrong.
    """
    where = f"task {folder.name!r}"
    check_keys(f"{where}, {TASK_FILE}", entry, set(KEYS), set(REQUIRED_KEYS))
    if entry["name"] != folder.name:
        raise GymError(
            f"{where}: name in {TASK_FILE} must equal the folder's name, got {entry['name']!r} in "
            f"{folder}. Rename one of them."
        )
    for key in ("category", "description", "licence"):
        if isinstance(entry[key], str) and not entry[key].strip():
            raise GymError(f"{where}: {key} must not be blank, got {entry[key]!r}. Fill it in.")
    has_test = any((folder / f"{TEST}{ending}").is_file() for ending in READERS)
    splits = {TRAIN: TRAIN} | ({TEST: TEST} if has_test else {})
    fields = {key: value for key, value in entry.items() if key != "name"}
    fields |= {"source": {"id": folder.name}, "splits": splits}
    return spec_from_mapping(folder.name, {"input": "{input}", "answer": "output"} | fields)


def _choices(split: str) -> str:
    *first, last = (f"{split}{ending}" for ending in READERS)
    return f"{', '.join(first)} or {last}"
