"""The engine that turns a source's rows into (input, output) pairs, as the specification says."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dpf_core.errors import GymError
from dpf_core.gym.options import letter_options, parse_options
from dpf_core.gym.sampling import Row, carve
from dpf_core.gym.sources import Source
from dpf_core.gym.spec import CLASSIFICATION, MULTIPLE_CHOICE, TaskSpec
from dpf_core.gym.template import CLEANINGS, Template, as_text
from dpf_core.naming import nearest

_SEPARATORS = {"\t": "a tab", "\n": "a line feed", "\r": "a carriage return", "\0": "a NUL"}


@dataclass(frozen=True, slots=True)
class TaskRows:
    """All rows of a task, before sampling."""

    train: list[Row]
    test: list[Row]
    dropped: dict[str, int]
    """Rows left out of train and test together, counted by reason."""


def task_rows(source: Source, spec: TaskSpec) -> TaskRows:
    """Return the train and test rows of a task.

    Raises:
        GymError: The source lacks a split or column, a row breaks the specification, a split is
            empty, or a label does not occur in train.
    """
    dropped = Counter(source.dropped(spec))
    train = list(_pairs(source, spec, spec.train_split, dropped))
    if spec.test_split is None:
        train, test = carve(train)
    else:
        test = list(_pairs(source, spec, spec.test_split, dropped))
    for split, rows in (("train", train), ("test", test)):
        if not rows:
            raise GymError(
                f"task {spec.name!r}: the {split} split must have at least one row, got none. "
                "Add rows, or leave the task out."
            )
    _check_label_cover(spec, train)
    return TaskRows(train, test, dict(dropped))


def _pairs(source: Source, spec: TaskSpec, split: str, dropped: Counter[str]) -> Iterator[Row]:
    where = f"task {spec.name!r}, split {split!r}"
    for number, pair in enumerate(_interpret(source.rows(spec, split), spec, where), start=1):
        if spec.drop_blank and not pair[0]:
            dropped["blank input"] += 1
            continue
        if not spec.official:
            _check_writable(pair, f"{where}, row {number}")
            _check_options(pair, spec, f"{where}, row {number}")
        yield pair


def _interpret(rows: Iterable[Mapping[str, Any]], spec: TaskSpec, where: str) -> Iterator[Row]:
    template = Template.parse(spec.input, where=where)
    for number, row in enumerate(rows, start=1):
        try:
            text = template.fill(row)
            for name in spec.clean:
                text = CLEANINGS[name](text)
            pair = _with_answer(text, row, spec)
        except KeyError as error:
            raise GymError(
                f"{where}, row {number}: the column {error} must exist, got {', '.join(row)}. "
                "Correct the specification or the source."
            ) from error
        except ValueError as error:
            end = "" if str(error).endswith("?") else "."
            raise GymError(
                f"{where}, row {number}: {error}{end} Correct or remove the row."
            ) from error
        yield pair


def _with_answer(text: str, row: Mapping[str, Any], spec: TaskSpec) -> Row:
    answer = row[spec.answer]
    if spec.kind == CLASSIFICATION:
        return text, _choose(answer, spec.labels, "label")
    if not spec.options:
        return text, _choose(answer, parse_options(text)[1], "option")
    options = _option_texts(row, spec.options)
    return text + letter_options(options), _choose(answer, options, "option")


def _choose(answer: object, choices: tuple[str, ...], what: str) -> str:
    if isinstance(answer, int) and 0 <= answer < len(choices):
        return choices[answer]
    if isinstance(answer, str) and answer in choices:
        return answer
    hint = nearest(answer, choices) if isinstance(answer, str) else ""
    raise ValueError(
        f"the {what} must be one of {', '.join(map(repr, choices))} or its number from 0, got "
        f"{answer!r}.{hint}".rstrip(".")
    )


def _option_texts(row: Mapping[str, Any], columns: tuple[str, ...]) -> tuple[str, ...]:
    values = [row[column] for column in columns]
    if len(values) == 1 and isinstance(values[0], list):
        return tuple(as_text(value, columns[0]) for value in values[0])
    return tuple(as_text(value, column) for value, column in zip(values, columns, strict=True))


def _check_writable(pair: Row, where: str) -> None:
    for field, text in zip(("input", "output"), pair, strict=True):
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


def _check_options(pair: Row, spec: TaskSpec, where: str) -> None:
    if spec.kind == MULTIPLE_CHOICE and pair[1] not in parse_options(pair[0])[1]:
        raise GymError(
            f"{where}: options must not hold the mark of another option such as ' (B) ', got "
            f"{pair[0][-80:]!r}, from which {pair[1]!r} cannot be read back. Reword the option."
        )


def _check_label_cover(spec: TaskSpec, train: list[Row]) -> None:
    present = {output for _, output in train}
    if missing := [label for label in spec.labels if label not in present]:
        raise GymError(
            f"task {spec.name!r}, split 'train': every label must occur, got no row of "
            f"{', '.join(map(repr, missing))} in {len(train)} rows. Add rows, or remove the label."
        )
