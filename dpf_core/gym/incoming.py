"""A user's own tasks: folders with `task.yaml`, `train.tsv` and perhaps `test.tsv`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dpf_core.errors import GymError
from dpf_core.gym.spec import TaskSpec, check_keys, spec_from_mapping
from dpf_core.gym.tsv import Row, read_rows
from dpf_core.gym.yaml_file import load_yaml_mapping
from dpf_core.naming import check_task_name

TASK_FILE = "task.yaml"
_REQUIRED = {"name", "kind", "category", "description", "licence"}
_KEYS = _REQUIRED | {"labels", "label_texts", "metric", "shots", "provenance"}


class IncomingSource:
    """The rows of a user's tasks, which are already (input, output) pairs."""

    name = "incoming"

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def files(self, spec: TaskSpec) -> dict[str, Path]:
        """Return `task.yaml` and the TSV files of the task by their place in the folder."""
        names = [TASK_FILE, *(f"{split}.tsv" for split in spec.splits)]
        return {f"{spec.name}/{name}": self.directory / spec.name / name for name in names}

    def dropped(self, spec: TaskSpec) -> dict[str, int]:
        """Return nothing: every row is the user's own."""
        return {}

    def rows(self, spec: TaskSpec, split: str) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of `<split>.tsv` as columns `input` and `output`.

        Raises:
            GymError: The file is absent or a line is not `input<TAB>output`.
        """
        path = self.directory / spec.name / f"{split}.tsv"
        for row in read_rows(path, task=spec.name):
            _check_plain_text(row, f"task {spec.name!r}, file {path.name}, line {row.line}")
            yield {"input": row.input, "output": row.output}


def incoming_tasks(directory: Path) -> tuple[IncomingSource, list[TaskSpec]]:
    """Return the source and the specifications of all tasks in a folder, sorted by name.

    A folder that does not exist holds no task. Plain files and hidden folders are passed over.

    Raises:
        GymError: A task folder lacks its files, or its `task.yaml` is wrong.
    """
    source = IncomingSource(Path(directory))
    if not source.directory.is_dir():
        return source, []
    folders = sorted(path for path in source.directory.iterdir() if path.is_dir())
    return source, [_read_spec(path) for path in folders if not path.name.startswith(".")]


def _check_plain_text(row: Row, where: str) -> None:
    """Refuse what an editor adds unseen, and what would become part of a text."""
    for found, name in (
        (row.output.endswith("\r"), "a carriage return before the line feed"),
        (row.line == 1 and row.input.startswith("\ufeff"), "a byte order mark"),
    ):
        if found:
            raise GymError(
                f"{where}: the file must be plain UTF-8 with Unix line ends, got {name}. Save it "
                "as UTF-8 without a mark, lines ending in LF."
            )


def _read_spec(folder: Path) -> TaskSpec:
    name = check_task_name(folder.name, f"the folder {folder}")
    where = f"task {name!r}"
    for file in (TASK_FILE, "train.tsv"):
        if not (folder / file).is_file():
            raise GymError(
                f"{where}: a task folder must hold {TASK_FILE} and train.tsv, got none named "
                f"{file} in {folder}. Add it, or move the folder away."
            )
    entry = load_yaml_mapping(folder / TASK_FILE, where)
    check_keys(f"{where}, {TASK_FILE}", entry, _KEYS, _REQUIRED)
    if entry.pop("name") != name:
        raise GymError(
            f"{where}: name in {TASK_FILE} must equal the folder's name, got another in {folder}. "
            "Rename one of them."
        )
    splits = {"train": "train"}
    if (folder / "test.tsv").is_file():
        splits["test"] = "test"
    return spec_from_mapping(
        name,
        entry | {"source": {"id": name}, "splits": splits, "input": "{input}", "answer": "output"},
    )
