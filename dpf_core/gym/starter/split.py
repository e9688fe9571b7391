"""Cleaning, deduplication, limits and the train/test split of starter examples, with counts."""

import html
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dpf_core.gym.starter.example import Example

MAX_ROWS = 2000
"""Rows of a task in train and test together."""
TEST_FRACTION = 0.2
"""Share of each label that goes to test, as in CrossFit's own carve."""
MAX_WORDS = 70
"""Longer inputs are left out: they are rare, and slow everything down."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_NOT_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Splits:
    """The rows of a task."""

    train: tuple[Example, ...]
    test: tuple[Example, ...]
    dropped: dict[str, int]
    """Examples left out, counted by reason."""


def tidy(text: str) -> str:
    """Return the text on one line, with single spaces and with HTML entities resolved."""
    return " ".join(_CONTROL.sub(" ", html.unescape(text)).replace("''", '"').split())


def split_examples(
    examples: Iterable[Example], rng: random.Random, *, max_per_label: int = MAX_ROWS
) -> Splits:
    """Return train and test rows: clean, unique, limited, and disjoint by group.

    Args:
        examples: All examples in their source's order.
        rng: Chooses the rows that stay within the limits, their order and the split.
        max_per_label: Rows of one label at most, so that frequent labels do not drown others.
    """
    dropped: Counter[str] = Counter()
    unique = _unique(examples, dropped)
    rng.shuffle(unique)
    kept = _limited(unique, max_per_label)
    if surplus := len(unique) - len(kept):
        dropped["over the row limit"] = surplus
    train, test = _split(kept)
    return Splits(tuple(train), tuple(test), dict(+dropped))


def _unique(examples: Iterable[Example], dropped: Counter[str]) -> list[Example]:
    """Keep the first of equal inputs, and none where equal inputs have different answers."""
    first: dict[str, Example] = {}
    conflicting: set[str] = set()
    for example in map(_tidied, examples):
        key = _key(example)
        if reason := example.drop or _fault(key):
            dropped[reason] += 1
        elif key not in first:
            first[key] = example
        elif first[key].answer == example.answer:
            dropped["duplicate input"] += 1
        else:
            conflicting.add(key)
            dropped["conflicting labels"] += 1
    dropped["conflicting labels"] += len(conflicting)
    return [example for key, example in first.items() if key not in conflicting]


def _tidied(example: Example) -> Example:
    columns = {name: tidy(text) for name, text in example.columns.items()}
    return replace(
        example,
        columns=columns,
        answer=tidy(example.answer),
        options=tuple(map(tidy, example.options)),
    )


def _fault(key: str) -> str:
    if len(key.split()) > MAX_WORDS:
        return f"over {MAX_WORDS} words"
    return "" if key else "blank input"


def _key(example: Example) -> str:
    """Letters and digits alone decide whether two inputs are the same."""
    texts = (_NOT_WORD.sub(" ", text.casefold()).strip() for text in example.columns.values())
    return " | ".join(text for text in texts if text)


def _stratum(example: Example) -> str:
    return "" if example.options else example.answer


def _limited(examples: Sequence[Example], max_per_label: int) -> list[Example]:
    """Keep at most `MAX_ROWS`: frequent labels give way first."""
    counts = Counter(map(_stratum, examples))
    limit = max_per_label
    while sum(min(limit, count) for count in counts.values()) > MAX_ROWS:
        limit -= 1
    taken: Counter[str] = Counter()
    kept = []
    for example in examples:
        taken[_stratum(example)] += 1
        if taken[_stratum(example)] <= limit:
            kept.append(example)
    return kept


def _split(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """Move whole groups to test while every label they hold has room there."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        groups[example.group or f"#{index}"].append(index)
    totals = Counter(map(_stratum, examples))
    room = {label: round(TEST_FRACTION * count) for label, count in totals.items()}
    chosen: set[int] = set()
    for indices in groups.values():
        needed = Counter(_stratum(examples[index]) for index in indices)
        if all(room[label] >= count for label, count in needed.items()):
            chosen.update(indices)
            for label, count in needed.items():
                room[label] -= count
    train = [example for index, example in enumerate(examples) if index not in chosen]
    return train, [examples[index] for index in sorted(chosen)]
