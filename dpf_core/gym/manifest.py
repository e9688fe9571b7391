"""The gym's manifest: what each task is, where it came from, and the hash of every file.

The manifest has no absolute path and no time: equal inputs give equal bytes.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from dpf_core.errors import GymError
from dpf_core.files import read_json
from dpf_core.gym.official import SEEDS
from dpf_core.naming import check_task_name, nearest

FORMAT = "dpf-gym/1"
MANIFEST_FILE = "manifest.json"
_ANY_FORMAT = "dpf-gym/"
_OF_MACOS = ".DS_Store"
T = TypeVar("T")

VERIFIED, UNVERIFIED, NO_OFFICIAL_FILES = "verified", "unverified", "no official files"


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRecord:
    """Where a task's rows came from."""

    name: str
    id: str
    files: dict[str, str]
    """SHA-256 of each source file, by its place in the source."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OfficialCount:
    """How many of a task's files equal CrossFit's own, byte for byte."""

    matching: int
    of: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RowCounts:
    """Readable rows of each file; train and dev by seed."""

    full_train: int
    test: int
    train: dict[str, int]
    dev: dict[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRecord:
    """One file of a task."""

    md5: str
    sha256: str
    rows: int
    unreadable_lines: tuple[int, ...] = ()
    """Lines of an official file that are no row, because CrossFit wrote a tab or line end in a text
    unescaped; readers skip them and `dropped` counts them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskRecord:
    """One task of the gym."""

    name: str
    kind: str
    category: str
    labels: tuple[str, ...] | None
    """Labels in the order of the specification; None for other kinds."""
    label_texts: dict[str, str]
    """The words by which a label is described; a label that is absent describes itself."""
    metric: str
    shots: int
    source: SourceRecord
    provenance: str
    licence: str
    description: str
    status: str
    """`verified`, `unverified` or `no official files`."""
    official: OfficialCount | None
    reason: str = ""
    """For `unverified`, which files differ from CrossFit's."""
    known: str = ""
    """What the specification says of oddities, and of what is gone or changed at the source."""
    rows: RowCounts
    dropped: dict[str, int]
    """Rows of the source that no reader sees, counted by reason."""
    files: dict[str, FileRecord]
    options: str | None
    """`lettered` if inputs hold lettered options."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """The content of `manifest.json`."""

    source: str
    tasks: tuple[TaskRecord, ...]
    missing: dict[str, str] = field(default_factory=dict)
    """The reason for each wanted task whose source could not be had."""
    failed: dict[str, str] = field(default_factory=dict)
    """The reason for each wanted task whose source could be had, but not built from."""
    format: str = FORMAT
    seeds: tuple[int, ...] = field(default=SEEDS)

    def task(self, name: str) -> TaskRecord:
        """Return the task of that name.

        Raises:
            GymError: The gym has no such task.
        """
        for record in self.tasks:
            if record.name == name:
                return record
        names = [record.name for record in self.tasks]
        raise GymError(
            f"a task must be one of {', '.join(names)}, got {name!r}.{nearest(name, names)} "
            "Correct the name or build the task."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as JSON values."""
        value = asdict(self)
        value["tasks"] = [record_to_json(record) for record in self.tasks]
        return value


def record_to_json(record: TaskRecord) -> dict[str, Any]:
    """Return one task of the manifest as JSON values."""
    value = asdict(record)
    for file in value["files"].values():
        if not file["unreadable_lines"]:
            del file["unreadable_lines"]
    return value


def manifest_from_json(value: Any, where: str) -> Manifest:
    """Return the manifest of parsed JSON.

    Raises:
        GymError: A key is missing, unknown, or of another type; the format is another one; a task
            name is unsafe or occurs twice.
    """
    if not isinstance(value, Mapping) or value.get("format") != FORMAT:
        got = value.get("format") if isinstance(value, Mapping) else type(value).__name__
        raise GymError(
            f"{where}: format must be {FORMAT!r}, got {got!r}. Build the gym again with this "
            "version."
        )
    tasks = tuple(_task(item, where) for item in _as_list(value.get("tasks"), where))
    if not tasks:
        raise GymError(f"{where}: a gym must have at least one task, got none. Build it again.")
    names = [task.name for task in tasks]
    for name in names:
        check_task_name(name, where)
        if names.count(name) > 1:
            raise GymError(
                f"{where}: a task name must occur once, got {name!r} twice. Build the gym again."
            )
    rest = dict(value) | {"tasks": tasks, "seeds": tuple(_as_list(value.get("seeds"), where))}
    return _record(Manifest, rest, where)


def is_gym(directory: Path) -> bool:
    """Return whether a folder is a gym, of whatever version, and holds nothing else.

    One whose manifest is damaged is a gym by its task folders.
    """
    others = [path for path in directory.iterdir() if path.name not in (MANIFEST_FILE, _OF_MACOS)]
    if not all(map(_is_task_folder, others)):
        return False
    try:
        value = read_json(directory / MANIFEST_FILE)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return bool(others)
    return isinstance(value, Mapping) and str(value.get("format")).startswith(_ANY_FORMAT)


def _is_task_folder(path: Path) -> bool:
    return path.is_dir() and all(
        file.name.startswith(f"{path.name}_") and file.suffix == ".tsv"
        for file in path.iterdir()
        if file.name != _OF_MACOS
    )


def _task(value: Any, where: str) -> TaskRecord:
    entry = dict(_as_mapping(value, where))
    where = f"{where}, task {entry.get('name')!r}"
    entry["source"] = _record(SourceRecord, entry.get("source"), where)
    entry["rows"] = _record(RowCounts, entry.get("rows"), where)
    if entry.get("official") is not None:
        entry["official"] = _record(OfficialCount, entry["official"], where)
    if entry.get("labels") is not None:
        entry["labels"] = tuple(_as_list(entry["labels"], where))
    entry["files"] = {
        file: _file(record, f"{where}, file {file!r}")
        for file, record in _as_mapping(entry.get("files"), where).items()
    }
    return _record(TaskRecord, entry, where)


def _file(value: Any, where: str) -> FileRecord:
    entry = dict(_as_mapping(value, where))
    entry["unreadable_lines"] = tuple(_as_list(entry.get("unreadable_lines", []), where))
    return _record(FileRecord, entry, where)


def _record(kind: type[T], value: Any, where: str) -> T:
    entry = _as_mapping(value, where)
    items = fields(kind)  # type: ignore[arg-type]
    known = {item.name for item in items}
    later = {i.name for i in items if not (i.default is i.default_factory is MISSING)}
    if wrong := (entry.keys() - known) | (known - later - entry.keys()):
        raise GymError(
            f"{where}: {kind.__name__} must have the keys {', '.join(sorted(known))}, got a "
            f"difference in {', '.join(sorted(map(str, wrong)))}. Build the gym again."
        )
    hints = get_type_hints(kind)
    for name, part in entry.items():
        if not _is_of(part, hints[name]):
            raise GymError(
                f"{where}: {name} must be {_in_words(hints[name])}, got {part!r}. Build the gym "
                "again."
            )
    return kind(**entry)


def _is_of(value: Any, hint: Any) -> bool:
    """Return whether a value has the type of a field; records within were checked before."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_is_of(value, argument) for argument in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is_of(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            _is_of(key, arguments[0]) and _is_of(item, arguments[1]) for key, item in value.items()
        )
    return isinstance(value, hint) and not isinstance(value, bool)


def _in_words(hint: Any) -> str:
    return str(getattr(hint, "__name__", hint)) if get_origin(hint) is None else str(hint)


def _as_mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise GymError(f"{where}: a mapping must stand here, got {value!r}. Build the gym again.")
    return value


def _as_list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise GymError(f"{where}: a list must stand here, got {value!r}. Build the gym again.")
    return value
