"""The interpreter of a specification: one row of a source in, one pair of CrossFit's out."""

import string
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dpf_core.gym.answers import accepted_texts, label_of, option_of
from dpf_core.gym.fields import Field, as_text
from dpf_core.gym.options import letter_options, parse_options
from dpf_core.gym.task_spec import TaskSpec
from dpf_core.gym.template import Template, cleaned
from dpf_core.gym.terms import CLASSIFICATION, OPTIONS_MARK, TEXT


class Pair(NamedTuple):
    """What CrossFit makes of one row."""

    input: str
    answers: tuple[str, ...]
    """The output, and after it the further accepted ones of free text."""
    options: tuple[str, ...] = ()
    """The options that the input holds."""

    @property
    def output(self) -> str:
        """All answers as they stand in a file, separated by tabs."""
        return "\t".join(self.answers)


class Interpreter:
    """Reads a task's specification once and applies it to each row."""

    def __init__(self, spec: TaskSpec) -> None:
        where = f"task {spec.name!r}"
        self._spec = spec
        self._template = Template.parse(spec.input, where=where)
        self._has_mark = OPTIONS_MARK in self._template.columns
        self._answer = Field.parse(spec.answer, where=where)
        self._options = [Field.parse(field, where=where) for field in spec.options]
        self._letters = (
            Field.parse(spec.option_letters, where=where) if spec.option_letters else None
        )
        self._kept = [(Field.parse(field, where=where), v) for field, v in spec.keep.items()]
        self._dropped = [(Field.parse(field, where=where), v) for field, v in spec.drop.items()]

    def reason_to_drop(self, row: Mapping[str, Any]) -> str | None:
        """Return why the specification leaves a row out, or None.

        Raises:
            KeyError: The row lacks a column.
            ValueError: A value does not fit the specification.
        """
        for field, values in self._kept:
            if field.value(row) not in values:
                return f"{'.'.join(field.path)} is not {' or '.join(map(repr, values))}"
        for field, values in self._dropped:
            if (value := field.value(row)) in values:
                return f"{'.'.join(field.path)} is {value!r}"
        return None

    def pair(self, row: Mapping[str, Any]) -> Pair:
        """Return the input and the answers of a row.

        Raises:
            KeyError: The row lacks a column.
            ValueError: A value does not fit the specification; the message lacks the place.
        """
        spec = self._spec
        if not spec.options:
            text = cleaned(self._template.fill(row), spec.clean)
            return self._answered(text, row, (), string.ascii_uppercase)
        options, letters = self._read_options(row)
        written = letter_options(options, letters, spec.option_style)
        if self._has_mark:
            marked = {**row, OPTIONS_MARK: written}
            text = cleaned(self._template.fill(marked), spec.clean)
        else:
            text = cleaned(self._template.fill(row), spec.clean) + written
        return self._answered(text, row, options, letters)

    def _answered(
        self, text: str, row: Mapping[str, Any], options: tuple[str, ...], letters: Sequence[str]
    ) -> Pair:
        spec = self._spec
        value = self._answer.value(row)
        if spec.kind == CLASSIFICATION:
            return Pair(text, (label_of(value, spec.labels, spec.first_label),))
        if spec.kind == TEXT:
            return Pair(text, accepted_texts(value, spec.distinct_answers))
        options = options or parse_options(text)[1]
        if len(options) < 2:
            raise ValueError(f"a question must have 2 options or more, got {list(options)}")
        answer = option_of(value, options, letters, first=spec.first_option, form=self._answer_form)
        return Pair(text, (answer,), options)

    @property
    def _answer_form(self) -> str | None:
        if self._spec.answer_form is None and self._letters is not None:
            return "letter"
        return self._spec.answer_form

    def _read_options(self, row: Mapping[str, Any]) -> tuple[tuple[str, ...], Sequence[str]]:
        values = [field.value(row) for field in self._options]
        if len(values) == 1 and isinstance(values[0], list):
            values = values[0]
        options = tuple(
            cleaned(as_text(value, "options"), self._spec.option_clean) for value in values
        )
        if self._letters is None:
            return options, string.ascii_uppercase
        return options, [as_text(letter, "option_letters") for letter in self._letters.value(row)]
