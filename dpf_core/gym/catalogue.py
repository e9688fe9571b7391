"""Which tasks a source is known to have, and the choice among them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources

from dpf_core.errors import GymError
from dpf_core.gym.sources import Source, absent_files, missing_reason
from dpf_core.gym.spec import TaskSpec, load_specs
from dpf_core.gym.terms import KINDS
from dpf_core.naming import nearest

ALL = "all"
_FETCHES = 4
"""Tasks whose files are looked for at a time; the hub downloads them in doing so."""
_CROSSFIT = (
    "crossfit/classification.yaml",
    "crossfit/question_answering.yaml",
    "crossfit/conditional_generation.yaml",
    "crossfit/other.yaml",
)
_STARTER = "starter"
_SPEC_FILES = {_STARTER: ("starter.yaml",), "mirror": _CROSSFIT, "hub": _CROSSFIT}
_BENCHMARKS = ("benchmarks.yaml",)
"""Tasks of evaluation suites that CrossFit lacks: built by name, no part of `all`."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Tasks to build, and those that `all` leaves out."""

    specs: tuple[TaskSpec, ...]
    missing: dict[str, str] | None
    """The reason for each task of the catalogue that the source cannot give. None if every task is
    wanted: those named, and all of the starter gym."""


def load_catalogue(source_name: str) -> dict[str, TaskSpec]:
    """Return the specifications of a source's tasks by name.

    Raises:
        GymError: There is no catalogue for the source.
    """
    if source_name not in _SPEC_FILES:
        raise GymError(
            f"a source with a catalogue must be one of {', '.join(_SPEC_FILES)}, got "
            f"{source_name!r}.{nearest(source_name, _SPEC_FILES)} Correct the source."
        )
    return _load(_SPEC_FILES[source_name])


def load_benchmarks(source_name: str) -> dict[str, TaskSpec]:
    """Return the tasks that a source has besides those of its catalogue, for `select_tasks`."""
    return {} if source_name == _STARTER else _load(_BENCHMARKS)


def _load(files: Sequence[str]) -> dict[str, TaskSpec]:
    specs: dict[str, TaskSpec] = {}
    for file in files:
        found = _load_file(file)
        if double := specs.keys() & found.keys():
            raise GymError(
                f"a task must stand in one specification file, got {', '.join(sorted(double))} in "
                f"{file} and in another. Remove one."
            )
        specs |= found
    return dict(sorted(specs.items()))


@cache
def _load_file(file: str) -> dict[str, TaskSpec]:
    folder = resources.files("dpf_core.gym").joinpath("specs")
    with resources.as_file(folder.joinpath(file)) as path:
        return load_specs(path)


def select_tasks(source: Source, names: Sequence[str]) -> Selection:
    """Return the named tasks, or every task of the catalogue whose files the source has.

    Args:
        source: Where the rows are.
        names: Task names; or `["all"]`; or kinds, such as `["classification", "multiple_choice"]`,
            for all tasks of these kinds.

    Raises:
        GymError: A name is not in the catalogue or is given twice, or a named task's files are
            absent.
    """
    catalogue = load_catalogue(source.name)
    kinds = set(KINDS if tuple(names) == (ALL,) else names)
    if not kinds <= set(KINDS):
        known = catalogue | load_benchmarks(source.name)
        return Selection(tuple(_named(source, known, name, names) for name in names), None)
    wanted = {name: spec for name, spec in catalogue.items() if spec.kind in kinds}
    if source.name == _STARTER:
        return Selection(tuple(wanted.values()), None)
    with ThreadPoolExecutor(_FETCHES) as pool:
        reasons = pool.map(partial(missing_reason, source), wanted.values())
        missing = {name: why for name, why in zip(wanted, reasons, strict=True) if why}
    specs = tuple(spec for name, spec in wanted.items() if name not in missing)
    return Selection(specs, missing)


def _named(
    source: Source, catalogue: dict[str, TaskSpec], name: str, names: Sequence[str]
) -> TaskSpec:
    if name not in catalogue:
        raise GymError(
            f"a task must be {ALL}, a kind, or one of the {len(catalogue)} that `dpf gym list "
            f"--source {source.name}` shows, got {name!r}.{nearest(name, [*catalogue, *KINDS])} "
            "Correct the name, or add your own task as a folder of data/incoming."
        )
    if list(names).count(name) > 1:
        raise GymError(f"a task must be named once, got {name!r} twice. Remove one.")
    if absent := absent_files(source, catalogue[name]):
        raise GymError(
            f"task {name!r}: the source {source.name!r} must have {', '.join(absent)}, got no such "
            "file. Add it to the source, or leave the task out."
        )
    return catalogue[name]
