"""Where the science reads and writes."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from dpf_core.errors import ConfigError
from pipeline import paths
from pipeline.science.settings import PARAMS, is_name

STUDIES = PARAMS.with_name("studies.yaml")
"""What of a method is varied, and how."""

CONFIGURATIONS = "configurations"
"""Folder of other settings beside the project's own, and of what is recorded under them."""

_STUDIES_ENDING = f".{STUDIES.name}"

WORK = paths.DATA / "science"
"""Git and DVC ignore it: a gym, source models and checkpoints, each named by what shapes it. It is
not in `pipeline/paths.py`, on which every stage of the chain depends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Files and folders; the defaults are the project's."""

    params: Path = PARAMS
    work: Path = WORK
    """What can be made again: gym, source models, checkpoints."""
    metrics: Path = paths.METRICS / "science"
    transfer: Path = paths.METRICS / "transfer.json"
    study_params: Path = STUDIES
    studies: Path = paths.METRICS / "studies.json"
    """The summary of all studies."""

    @property
    def option(self) -> str:
        """What a command needs beside its name, after a space; "" for the project's own."""
        is_own = self.study_params.name == STUDIES.name
        return "" if is_own else f" --params {shlex.quote(str(self.params))}"

    @classmethod
    def below(cls, root: Path, params: Path | None = None) -> "Layout":
        """Return the same in another project folder, or for another file of settings.

        Args:
            root: The project's folder.
            params: Another file than the project's own; what follows from it lies in folders of the
                file's name. None for the project's.

        Raises:
            ConfigError: No folder can have the file's name.
        """
        usual = cls()
        own = root / usual.params
        if params is not None and params.resolve() != own.resolve():
            part = Path(CONFIGURATIONS, _folder_name(params))
            metrics = root / usual.metrics / part
            transfer = metrics / usual.transfer.name
            return cls(
                params=params,
                work=root / usual.work / part,
                metrics=metrics,
                transfer=transfer,
                study_params=params.with_name(params.stem + _STUDIES_ENDING),
                studies=metrics / usual.studies.name,
            )
        return cls(
            params=own,
            work=root / usual.work,
            metrics=root / usual.metrics,
            transfer=root / usual.transfer,
            study_params=root / usual.study_params,
            studies=root / usual.studies,
        )

    def configurations(self) -> "list[Layout]":
        """Return those beside the project's own settings that have studies, by name."""
        root = self.params.parents[len(PARAMS.parts) - 1]
        files = sorted((self.params.parent / CONFIGURATIONS).glob(f"*{_STUDIES_ENDING}"))
        return [
            Layout.below(root, path.with_name(path.name.removesuffix(_STUDIES_ENDING) + ".yaml"))
            for path in files
        ]

    @property
    def gym(self) -> Path:
        """Folder of the built gym."""
        return self.work / "gym"

    @property
    def checkpoints(self) -> Path:
        """Parent of one folder a source model in training."""
        return self.work / "checkpoints"

    def source_model(self, name: str, key: str) -> Path:
        """Folder of a trained source model."""
        return self.work / "sources" / f"{name}-{key}"

    @property
    def protocol(self) -> Path:
        """What the gym holds, and which leaks were looked for."""
        return self.metrics / "protocol.json"

    def source_record(self, name: str) -> Path:
        """What came out of a source training."""
        return self.metrics / "sources" / f"{name}.json"

    def tuning_record(self, method: str) -> Path:
        """A method's sweep."""
        return self.metrics / "tuning" / f"{method}.json"

    @property
    def append_record(self) -> Path:
        """What targets that joined a pool did to its earlier tasks."""
        return self.metrics / "append.json"

    @property
    def ideas(self) -> Path:
        """What was tried to make the method better."""
        return self.metrics / "ideas.json"

    def cells(self, method: str) -> Path:
        """A method's cells."""
        return self.metrics / "cells" / f"{method}.json"

    def study(self, name: str) -> Path:
        """Folder of all that is recorded of a study."""
        return self.metrics / "studies" / name

    def study_cells(self, study: str, point: str) -> Path:
        """The cells of a point of a study."""
        return self.study(study) / "cells" / f"{point}.json"

    def study_source(self, study: str, point: str) -> Path:
        """What came out of the source training of a point."""
        return self.study(study) / "sources" / f"{point}.json"

    @property
    def matrix(self) -> Path:
        """What each source task's prompt is worth on each target."""
        return self.metrics / "matrix.json"

    def reference(self, name: str) -> Path:
        """Cells of what is no method of the table but stands beside it."""
        return self.metrics / "references" / f"{name}.json"

    def reference_sweep(self, name: str) -> Path:
        """A reference's sweep."""
        return self.metrics / "references" / "tuning" / f"{name}.json"

    def reference_source(self, name: str, key: str) -> Path:
        """What a reference learned from the sources."""
        return self.work / "references" / f"{name}-{key}.safetensors"


def _folder_name(params: Path) -> str:
    if not is_name(params.stem):
        raise ConfigError(
            "a file of settings must have a name of lower-case letters, digits and '_', got "
            f"{params.stem!r}: a folder of records is named after it ({params}). Rename it."
        )
    return params.stem
