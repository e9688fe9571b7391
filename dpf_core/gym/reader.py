"""Reading a built gym: its manifest, the paths of its files, and their rows."""

from pathlib import Path

from dpf_core.errors import GymError
from dpf_core.files import read_json
from dpf_core.gym.manifest import MANIFEST_FILE, Manifest, TaskRecord, manifest_from_json
from dpf_core.gym.official import few_shot_file, full_train_file
from dpf_core.gym.options import parse_options
from dpf_core.gym.terms import TEXT
from dpf_core.gym.tsv import Row, read_rows

__all__ = [
    "Manifest",
    "Row",
    "TaskRecord",
    "full_train_path",
    "load_manifest",
    "parse_options",
    "read_rows",
    "read_split",
    "split_path",
]


def load_manifest(directory: Path) -> Manifest:
    """Return the manifest of a built gym.

    Raises:
        GymError: The folder is no gym, or its manifest is damaged.
    """
    path = Path(directory) / MANIFEST_FILE
    try:
        value = read_json(path)
    except (OSError, ValueError) as error:
        raise GymError(
            f"a gym must have a readable {MANIFEST_FILE}, got {error} ({directory}). "
            "Build it with `dpf gym build`."
        ) from error
    return manifest_from_json(value, str(path))


def split_path(directory: Path, record: TaskRecord, split: str, seed: int | None = None) -> Path:
    """Return the path of one split's file.

    Args:
        directory: The gym.
        record: The task.
        split: `full_train`, `train`, `dev` or `test`.
        seed: The few-shot seed; not for `full_train`. The test file is the same for every seed, so
            None stands for the first.

    Raises:
        GymError: The task has no file for the split and seed.
    """
    if split == "full_train":
        name = full_train_file(record.name)
    else:
        chosen = min(map(int, record.rows.train)) if split == "test" and seed is None else seed
        name = few_shot_file(record.name, record.shots, chosen, split)  # type: ignore[arg-type]
    if name not in record.files:
        raise GymError(
            f"task {record.name!r}: a split must be full_train, test, or train or dev with a seed "
            f"of {', '.join(record.rows.train)}, got {split!r} with seed {seed}. Correct the call."
        )
    return Path(directory) / record.name / name


def full_train_path(directory: Path, record: TaskRecord) -> Path:
    """Return the path of the file with all training rows."""
    return split_path(directory, record, "full_train")


def read_split(
    directory: Path, record: TaskRecord, split: str, seed: int | None = None
) -> list[Row]:
    """Return the rows of one split; lines that the manifest lists as unreadable are left out.

    Raises:
        GymError: The split is unknown, or its file is damaged.
    """
    path = split_path(directory, record, split, seed)
    known = record.files[path.name]
    rows = read_rows(
        path,
        task=record.name,
        skip_lines=frozenset(known.unreadable_lines),
        further_answers=record.kind == TEXT,
    )
    if len(rows) != known.rows:
        raise GymError(
            f"{path}: the file must have {known.rows} readable rows as the manifest says, got "
            f"{len(rows)}. Build the gym again."
        )
    return rows
