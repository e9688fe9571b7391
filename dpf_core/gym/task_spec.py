"""A task's specification: how rows of a source become CrossFit's (input, output) pairs.

Specifications are data (`specs/`, a user's `task.yaml`), read by `spec.py`, checked by
`spec_checks.py` and interpreted by `rows.py`. Here are their fields.

A field of a row is written `column`, `struct.key`, `list.0`, or with filters `tokens|join`
(`fields.FILTERS`); in `input` it stands in braces.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpf_core.gym.fields import Field
from dpf_core.gym.options import OPTION_STYLE
from dpf_core.gym.spec_checks import check_spec
from dpf_core.gym.template import Template
from dpf_core.gym.terms import OPTIONS_MARK


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskSpec:
    """One task, as written in a specification file."""

    name: str
    kind: str
    """`classification` (outputs are labels), `multiple_choice` (outputs are options of the row) or
    `text` (free text, with one or more accepted answers)."""
    source_id: str
    source_config: str | None = None
    """Name of one configuration of the source; None is its only one."""
    train_split: str = "train"
    test_split: str | None = "validation"
    """The source's held-out split; None carves one from train, as `carve` says."""
    carve: Mapping[str, float]
    """How a missing held-out split is carved after a shuffle with seed 42: `train`, the fraction of
    the rows before it (default 0.8), and `test_from`, the fraction at which test starts (default:
    where train ends); or `train_rows` and `test_rows`."""
    test_fraction: float | None = None
    """The part of the held-out split that is kept, after a shuffle with seed 42; None keeps all, in
    the source's order."""
    compute: str | None = None
    """A function of `computed.COMPUTED` that the rows of each split pass through first."""
    compute_columns: tuple[str, ...] = ()
    """With `compute`: the source columns that the function reads."""
    keep: Mapping[str, tuple[Any, ...]]
    """Values by field: a row with any other value is left out, and counted."""
    drop: Mapping[str, tuple[Any, ...]]
    """Values by field: a row with one of them is left out, and counted."""
    input: str
    """Template of the input, with fields in braces."""
    clean: tuple[str, ...] = ()
    """Names from `fields.CLEANINGS`, applied to the filled input in this order."""
    drop_blank: bool = False
    """Whether rows with an empty cleaned input are left out, and counted."""
    answer: str
    """Field of the answer: of a label its number or text, of an option its number, letter or text,
    of free text a text or a list of accepted ones."""
    answer_form: str | None = None
    """Which of number, letter and text names the right option. None: the letter where
    `option_letters` is given, otherwise the first that fits of number, text, letter and digits."""
    distinct_answers: str | None = None
    """`sorted` or `first_seen`: doubles among a row's accepted answers are removed."""
    order_unknown: bool = False
    """Whether CrossFit's order of the accepted answers was that of an unordered set, so that its
    bytes cannot be reproduced with certainty."""
    labels: tuple[str, ...] = ()
    """Labels of a classification task, in the order of the source's numbers."""
    first_label: int = 0
    """The source's number of the first label."""
    options: tuple[str, ...] = ()
    """Fields of the options, one text each or one field with a list. Empty for a multiple-choice
    task says that the input already holds lettered options."""
    first_option: int = 0
    """The source's number of the first option."""
    option_letters: str | None = None
    """Field with the list of the options' letters; None letters them from A."""
    option_style: str = OPTION_STYLE
    """How one option is written."""
    option_clean: tuple[str, ...] = ()
    """Names from `fields.CLEANINGS`, applied to each option."""
    label_texts: Mapping[str, str]
    """The words by which a label is described to a model, where its own text is a code."""
    sampling: str
    """`per_label` (shots of each output) or `overall` (shots altogether)."""
    metric: str
    shots: int
    """Few-shot rows of each label, or altogether."""
    category: str
    """CrossFit's two levels, such as `classification/sentiment analysis`, or a user's own word."""
    licence: str
    description: str
    known: str = ""
    """An oddity of the official files, or what is gone or changed at the source."""
    provenance: str = "real"
    """`real` text from people, or `generated` by a program."""
    official: bool = False
    """Whether CrossFit publishes fingerprints of this very task."""

    @property
    def source_name(self) -> str:
        """The source's id with its configuration, such as `glue/sst2`."""
        return "/".join(part for part in (self.source_id, self.source_config) if part)

    @property
    def splits(self) -> tuple[str, ...]:
        """The source's splits that the task reads."""
        return tuple(split for split in (self.train_split, self.test_split) if split)

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field written outside the template."""
        letters = (self.option_letters,) if self.option_letters else ()
        return (*self.options, *letters, self.answer, *self.keep, *self.drop)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the source must have."""
        return self._written_columns if self.compute is None else self.compute_columns

    @property
    def optional_columns(self) -> tuple[str, ...]:
        """With `compute`: columns that fields name, and that the source or the function gives."""
        if self.compute is None:
            return ()
        return tuple(name for name in self._written_columns if name not in self.compute_columns)

    @property
    def _written_columns(self) -> tuple[str, ...]:
        where = f"task {self.name!r}"
        written = list(Template.parse(self.input, where=where).columns)
        if self.options and OPTIONS_MARK in written:
            written.remove(OPTIONS_MARK)
        others = (Field.parse(field, where=where).column for field in self.fields)
        return tuple(dict.fromkeys((*written, *others)))

    def __post_init__(self) -> None:
        """Check every field."""
        check_spec(self)
