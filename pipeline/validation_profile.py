"""Numbers and examples that describe a task's rows, for its data card."""

import dataclasses
from collections import Counter
from typing import Any

import pandas as pd

from dpf_core.gym.reader import TaskRecord

SPLITS = ("full_train", "train", "dev", "test")
MAX_ANSWERS = 12
MAX_EXAMPLES = 6
QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Profile:
    """A task in numbers."""

    rows: dict[str, int]
    """Split -> rows checked; files of one split with the same bytes count once."""
    answers: tuple[tuple[str, int], ...]
    """Answer and its rows in full_train: every label, every option's place, or the most frequent
    outputs that occur twice."""
    num_answers: int
    """Different outputs in full_train."""
    input_words: tuple[int, ...]
    """The QUANTILES of the words of an input (full_train and test)."""
    output_words: tuple[int, ...]
    """The same of the outputs."""
    options: tuple[tuple[int, int], ...]
    """Number of options, and the rows that have so many (full_train and test)."""
    examples: tuple[tuple[str, str], ...]
    """Input and output of a few training rows, of different labels first."""


def profile(rows: pd.DataFrame, task: TaskRecord) -> Profile:
    """Return the numbers of a task's row table (`validation_table.ROW_COLUMNS`)."""
    whole = rows[rows["split"].isin(["full_train", "test"])]
    train = rows[(rows["split"] == "full_train") & rows["output"].notna()]
    sizes, outputs = Counter(rows["split"]), Counter(train["output"])
    places = Counter(train["option_name"].dropna())
    options = Counter(int(number) for number in whole["num_options"].dropna())
    return Profile(
        rows={split: sizes[split] for split in SPLITS},
        answers=tuple(sorted(places.items())) if places else _answers(outputs, task),
        num_answers=len(outputs),
        input_words=_quantiles(whole["input"]),
        output_words=_quantiles(whole["output"]),
        options=tuple(sorted(options.items())),
        examples=_examples(train),
    )


def _answers(counts: Counter[str], task: TaskRecord) -> tuple[tuple[str, int], ...]:
    if task.labels:
        return tuple((label, counts[label]) for label in task.labels)
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_ANSWERS]
    return tuple((answer, count) for answer, count in most if count > 1)


def _quantiles(texts: "pd.Series[Any]") -> tuple[int, ...]:
    words = texts.dropna().str.split().map(len)
    return tuple(int(words.quantile(at, interpolation="nearest")) for at in QUANTILES if len(words))


def _examples(train: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    mixed = pd.concat([train.drop_duplicates("output"), train])
    chosen = mixed[~mixed.index.duplicated()].head(MAX_EXAMPLES)
    return tuple(zip(chosen["input"], chosen["output"], strict=True))
