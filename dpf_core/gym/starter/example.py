"""One labelled example on its way from a package's file into a split."""

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dpf_core.errors import GymError


@dataclass(frozen=True, slots=True)
class Example:
    """The columns of one row, and what the splitter must know about it."""

    columns: Mapping[str, str]
    """Texts by the column names that the specification's input template uses."""
    answer: str
    """The label, or the text of the right option."""
    options: tuple[str, ...] = ()
    """Texts of all options of a multiple-choice question."""
    group: str = ""
    """Examples of one group stay on one side of the split; none is a group of its own."""
    drop: str = ""
    """Why the example is left out; it is counted under this reason."""

    def row(self) -> dict[str, object]:
        """Return the row that a source yields."""
        row: dict[str, object] = {**self.columns, "answer": self.answer}
        return row | {"options": list(self.options)} if self.options else row


Reader = Callable[[Mapping[str, bytes], random.Random], Iterable[Example]]
"""Turns the contents of files, by name, into examples; the generator is the task's own."""


def labelled(text: str, answer: str, *, group: str = "", drop: str = "") -> Example:
    """Return an example of one text."""
    return Example({"text": text}, answer, group=group, drop=drop)


def question(
    text: str, right: str, wrong: Iterable[str], rng: random.Random, *, group: str = ""
) -> Example:
    """Return a multiple-choice example whose options are shuffled."""
    options = [right, *wrong]
    rng.shuffle(options)
    return Example({"question": text}, right, tuple(options), group)


def only_file(files: Mapping[str, bytes]) -> bytes:
    """Return the content of the one file that a reader works on.

    Raises:
        GymError: There is not exactly one.
    """
    if len(files) != 1:
        raise GymError(f"a reader of one file must get one, got {sorted(files)}. Correct TASKS.")
    return next(iter(files.values()))
