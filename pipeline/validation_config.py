"""The parameters of the validate stage, readable without Great Expectations."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from dpf_core.errors import ConfigError
from dpf_core.naming import nearest


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ValidateConfig:
    """Limits of the gym's checks, section `validate` of params.yaml.

    Structure (columns, encoding, blank or NUL text, labels, missing labels, files) has no limit to
    set: one such row is one too many. Shares are of the rows of one file.
    """

    jobs: int
    """Processes that check tasks, > 0; the findings are the same."""
    leak_similarity: float
    """Share of a row's word trigrams in one training row of another task that makes the row a near
    copy of it, in (0, 1]."""
    max_chars: int
    """Longest input or output in characters that draws no warning, > 0."""
    max_rows: int
    """First rows of a file that are checked one by one, > 0; a longer file draws a warning.

    Bounds the memory of a process: about 4 kB a row of the task's files.
    """
    max_conflict_fraction: float
    """Largest share of rows with a twin of another output; above it the stage stops. In [0, 1].

    At or below it conflicts are a warning: annotators disagree in every real collection.
    """
    min_label_fraction: float
    """Share of the full training rows below which a label draws a warning, in [0, 1]."""
    warn_constant_fraction: float
    """Share of test rows with one and the same answer above which there is a warning, in [0, 1].

    For lettered options the answer is the option's place, not its text.
    """
    warn_duplicate_fraction: float
    """Share of repeated rows in a file above which there is a warning, in [0, 1]."""
    warn_leak_fraction: float
    """Share of test rows in the training rows of one other task above which there is a warning, in
    [0, 1]."""
    warn_overlap_fraction: float
    """Share of test rows that are also trained on above which there is a warning, in [0, 1]."""

    def __post_init__(self) -> None:
        counts = ("jobs", "max_chars", "max_rows")
        for name in (field.name for field in dataclasses.fields(self)):
            check = _check_count if name in counts else _check_fraction
            check(name, getattr(self, name))

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> "ValidateConfig":
        """Return the config for a section of params.yaml, every key given and none unknown.

        Raises:
            ConfigError: A key is unknown or missing, or a value is outside its range.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for key in section:
            if key not in names:
                raise ConfigError(
                    f"a key of section validate must be one of {', '.join(names)}, got {key!r} "
                    f"(params.yaml).{nearest(str(key), names)} Correct or remove it."
                )
        if missing := [name for name in names if name not in section]:
            raise ConfigError(
                f"section validate must set every key, got none for {', '.join(missing)} "
                "(params.yaml). Add it; DVC sees a change only in what is written there."
            )
        return cls(**section)


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(
            f"{name} must be a whole number > 0, got {value!r} (validate.{name} in params.yaml). "
            "Correct it."
        )


def _check_fraction(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigError(
            f"{name} must be a share between 0 and 1, got {value!r} (validate.{name} in "
            "params.yaml). Write 5 percent as 0.05."
        )
