"""Texts that are put together from several columns, and rows that a source should not have had."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

PLOT_NOTICE = (
    "This article's plot summary may be too long or excessively detailed. Please help improve it "
    "by removing unnecessary details and making it more concise."
)
"""An editor's notice that stands instead of the beginning of some plots."""

_LONG_BEGIN, _SHORT_BEGIN, _LONG_INSIDE, _SHORT_INSIDE = 0, 1, 2, 3


def biography_table(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `table_text`: the context and each fact as `name: value [n] `.

    Rows whose table has not as many names as values are left out.
    """
    for row in rows:
        table = row["input_text"]["table"]
        names, values = _column(table, "column_header"), _column(table, "content")
        if len(names) != len(values):
            continue
        facts = (
            f"{name}: {value.strip().replace(chr(10), ' ')} [n] "
            for name, value in zip(names, values, strict=True)
        )
        context = row["input_text"]["context"].strip()
        yield {**row, "table_text": f"{context} [SEP] {''.join(facts)}"}


def lama_prompt(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `prompt`: the template with its subject in place of [X] and a mask in place of [Y]."""
    for row in rows:
        prompt = row["template"].replace("[X]", row["sub_label"]).replace("[Y]", "[MASK]")
        yield {**row, "prompt": prompt}


def one_acronym(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `acronym` and `long_form` of the sentences that have exactly one of each."""
    for row in rows:
        tags, tokens = row["labels"], row["tokens"]
        if tags.count(_SHORT_BEGIN) == 1 and tags.count(_LONG_BEGIN) == 1:
            yield {
                **row,
                "acronym": _span(tokens, tags, _SHORT_BEGIN, _SHORT_INSIDE),
                "long_form": _span(tokens, tags, _LONG_BEGIN, _LONG_INSIDE),
            }


def plain_plots(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield each of a row's `answers` once; rows whose plot begins with the notice are left out."""
    for row in rows:
        if not row["plot"].startswith(PLOT_NOTICE):
            yield {**row, "answers": list(dict.fromkeys(row["answers"]))}


def supporting_context(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `supporting_context`: the paragraphs whose titles are among the supporting facts."""
    for row in rows:
        titles, context = _column(row["supporting_facts"], "title"), row["context"]
        paragraphs = zip(_column(context, "title"), _column(context, "sentences"), strict=False)
        kept = ("".join(sentences) for title, sentences in paragraphs if title in titles)
        yield {**row, "supporting_context": " ".join(kept).strip()}


def survey_answers(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `normalized_question` and `answer_texts`, the keys of the raw answers in their order.

    Parquet has no place for a mapping with other keys in each row. So the raw answers may also be a
    list of answers or of (answer, count) pairs, as pyarrow gives a map, and any part JSON text.

    Raises:
        ValueError: The answers are of another form.
    """
    for row in rows:
        yield {
            **row,
            "normalized_question": _loaded(row["question"])["normalized"],
            "answer_texts": _keys(_loaded(_loaded(row["answers"])["raw"])),
        }


def whole_scores(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `whole_score`, an integer, of the rows whose score is whole; others are left out."""
    for row in rows:
        if row["score"] % 1 == 0:
            yield {**row, "whole_score": int(row["score"])}


def _column(table: Any, name: str) -> list[Any]:
    """Return one column of a table that is a struct of lists or a list of structs."""
    return list(table[name] if isinstance(table, Mapping) else [item[name] for item in table])


def _span(tokens: list[str], tags: list[int], begin: int, inside: int) -> str:
    start = tags.index(begin)
    end = start + 1
    while end < len(tags) and tags[end] == inside:
        end += 1
    return " ".join(tokens[start:end])


def _loaded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _keys(raw: object) -> list[str]:
    if isinstance(raw, Mapping):
        return [key for key, count in raw.items() if count is not None]
    if isinstance(raw, list):
        return [item if isinstance(item, str) else item[0] for item in raw]
    raise ValueError(f"the raw answers must be a mapping or a list, got {raw!r}")
