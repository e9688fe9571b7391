"""The settings of building the gym, section `ingest` of params.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpf_core.config_reading import from_mapping
from dpf_core.errors import ConfigError
from dpf_core.gym.catalogue import ALL
from dpf_core.gym.sources import FOLDER_SOURCES, SOURCES
from dpf_core.naming import nearest


@dataclass(frozen=True, kw_only=True, slots=True)
class IngestConfig:
    """Which tasks the gym has and where their rows come from."""

    source: str
    """`starter` (comes with the installation), `mirror` (a folder of parquet files) or `hub`."""
    mirror_dir: str | None
    """The mirror's folder. For `hub` null, or a folder of data-set repositories to read instead;
    null for `starter`."""
    tasks: tuple[str, ...]
    """Names of the source's tasks; or `all`, or kinds, for what the source has. The tasks of
    data/incoming come on top."""
    jobs: int
    """Processes that build tasks, >= 1; the result does not depend on it."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.source not in SOURCES:
            raise ConfigError(
                f"source must be one of {', '.join(SOURCES)}, got {self.source!r} (ingest.source "
                f"in params.yaml).{nearest(self.source, SOURCES)} Correct it."
            )
        if self.mirror_dir is not None and self.source not in FOLDER_SOURCES:
            raise ConfigError(
                f"mirror_dir must be null unless source is mirror or hub, got {self.mirror_dir!r} "
                f"with source {self.source!r} (ingest in params.yaml). Set one or the other."
            )
        if self.jobs < 1:
            raise ConfigError(
                f"jobs must be >= 1, got {self.jobs} (ingest.jobs in params.yaml). Use 1, or the "
                "number of cores."
            )
        if not self.tasks or (ALL in self.tasks and len(self.tasks) > 1):
            raise ConfigError(
                f"tasks must be 'all' or a list of names, got {list(self.tasks)} (ingest.tasks in "
                "params.yaml). Name at least one task, or 'all' alone."
            )

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> "IngestConfig":
        """Return the settings in a section of params.yaml, in which `tasks` may be the word all.

        Raises:
            ConfigError: A key is unknown or missing, or a value has the wrong type or range.
        """
        values = dict(section)
        if values.get("tasks") == ALL:
            values["tasks"] = [ALL]
        return from_mapping(cls, values, "section ingest of params.yaml")
