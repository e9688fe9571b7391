"""All rows of a task as (input, output) pairs: reading, computing, leaving out, checking."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dpf_core.errors import GymError
from dpf_core.gym.computed import COMPUTED
from dpf_core.gym.interpreter import Interpreter, Pair
from dpf_core.gym.options import reads_back
from dpf_core.gym.sampling import carved, held_out_part
from dpf_core.gym.sources import Source
from dpf_core.gym.task_spec import TaskSpec
from dpf_core.naming import nearest

Row = tuple[str, str]
"""An input and its output."""

_SEPARATORS = {"\t": "a tab", "\n": "a line feed", "\r": "a carriage return", "\0": "a NUL"}


@dataclass(frozen=True, slots=True)
class TaskRows:
    """All rows of a task, before sampling."""

    train: list[Row]
    test: list[Row]
    dropped: dict[str, int]
    """Rows left out of train and test together, counted by reason."""


def task_rows(source: Source, spec: TaskSpec) -> TaskRows:
    """Return all train and test rows of a task in memory; builds stream them instead.

    Raises:
        GymError: The source lacks a split or column, or a row breaks the specification.
    """
    dropped = Counter(source.dropped(spec))
    train = _rows(source, spec, spec.train_split, dropped)
    if spec.test_split is None:
        train_rows, test_rows = carved(len(train), spec.carve)
        test = [train[row] for row in test_rows]
        return TaskRows([train[row] for row in train_rows], test, dict(dropped))
    test = _rows(source, spec, spec.test_split, dropped)
    if spec.test_fraction is not None:
        test = [test[row] for row in held_out_part(len(test), spec.test_fraction)]
    return TaskRows(train, test, dict(dropped))


def _rows(source: Source, spec: TaskSpec, split: str, dropped: Counter[str]) -> list[Row]:
    return [(pair.input, pair.output) for pair in read_pairs(source, spec, split, dropped)]


def read_pairs(source: Source, spec: TaskSpec, split: str, dropped: Counter[str]) -> Iterator[Pair]:
    """Yield the pairs of one split of the source, one row at a time.

    Args:
        source: Where the rows are.
        spec: The task.
        split: The source's split.
        dropped: Counts rows that are left out, by reason.

    Raises:
        GymError: The source or a row breaks the specification.
    """
    where = f"task {spec.name!r}, split {split!r}"
    interpreter = Interpreter(spec)
    for number, row in enumerate(_computed(source.rows(spec, split), spec, where, dropped), 1):
        try:
            reason = interpreter.reason_to_drop(row)
            pair = None if reason else interpreter.pair(row)
        except GymError:
            raise
        except (KeyError, ValueError) as error:
            raise _row_error(error, row, f"{where}, row {number}") from error
        if pair is None or (spec.drop_blank and not pair.input):
            dropped[reason or "blank input"] += 1
            continue
        if not spec.official:
            _check_writable(pair, f"{where}, row {number}")
            _check_options(pair, f"{where}, row {number}")
        yield pair


def _computed(
    rows: Iterator[Mapping[str, Any]], spec: TaskSpec, where: str, dropped: Counter[str]
) -> Iterator[Mapping[str, Any]]:
    if spec.compute is None:
        yield from rows
        return
    if spec.compute not in COMPUTED:
        raise GymError(
            f"{where}: compute must be one of {', '.join(sorted(COMPUTED))}, got {spec.compute!r}."
            f"{nearest(spec.compute, COMPUTED)} Correct it."
        )
    counts: Counter[str] = Counter()
    results = COMPUTED[spec.compute](_counted(rows, counts))
    try:
        for row in results:
            counts["out"] += 1
            yield row
    except GymError:
        raise
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise _row_error(error, {}, f"{where}, row {counts['in']}") from error
    lost = counts["in"] - counts["out"]
    if lost > 0:
        dropped[f"left out or gathered by {spec.compute}"] += lost


def _counted(
    rows: Iterator[Mapping[str, Any]], counts: Counter[str]
) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        counts["in"] += 1
        yield row


def _row_error(error: Exception, row: Mapping[str, Any], where: str) -> GymError:
    if isinstance(error, KeyError):
        return GymError(
            f"{where}: the column {error} must exist, got {', '.join(row)}. Correct the "
            "specification or the source."
        )
    end = "" if str(error).endswith("?") else "."
    return GymError(f"{where}: {error}{end} Correct or remove the row.")


def _check_writable(pair: Pair, where: str) -> None:
    for field, text in [("input", pair.input), *(("output", text) for text in pair.answers)]:
        if not text.strip():
            raise GymError(
                f"{where}: the {field} must not be blank, got {text!r}. Correct or remove the row."
            )
        for character, name in _SEPARATORS.items():
            if character in text:
                raise GymError(
                    f"{where}: the {field} must be free of tabs, line ends and NULs, which a TSV "
                    f"file cannot hold, got {name} in {text[:80]!r}. Replace it, for instance by "
                    "naming `clean: [one_line]` in the specification."
                )


def _check_options(pair: Pair, where: str) -> None:
    if not reads_back(pair.input, pair.options):
        raise GymError(
            f"{where}: options must not hold the mark of another option such as ' (B) ', got "
            f"{pair.input[-80:]!r}, from which {pair.answers[0]!r} cannot be read back. Reword the "
            "option."
        )
