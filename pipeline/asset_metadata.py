"""A stage's metrics files and plots as Dagster metadata."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from dpf_core.files import read_json

_INLINE_BYTES = 200_000
"""A larger picture would bloat the event log, so only its path is shown."""


def stage_metadata(
    root: Path, metrics: Sequence[str], outs: Sequence[str]
) -> dict[str, dg.MetadataValue[Any]]:
    """Return every metrics value, then every PNG that lies in the outputs."""
    found: dict[str, dg.MetadataValue[Any]] = {}
    for path in metrics:
        found |= metrics_metadata(read_json(root / path))
    for out in outs:
        found |= dict(_plots(root, out))
    return found


def metrics_metadata(metrics: Mapping[str, Any]) -> dict[str, dg.MetadataValue[Any]]:
    """Return one metadata value for each key: numbers as numbers, records as tables."""
    return {key: _value(value) for key, value in metrics.items()}


def table(records: Sequence[Mapping[str, Any]]) -> dg.MetadataValue[Any]:
    """Return records as a table whose columns are all keys, in order of appearance."""
    columns = list(dict.fromkeys(key for record in records for key in record))
    rows = [dg.TableRecord({c: _cell(record.get(c)) for c in columns}) for record in records]
    schema = dg.TableSchema([dg.TableColumn(c, _column_type(rows, c)) for c in columns])
    return dg.MetadataValue.table(rows, schema)


def _value(value: Any) -> dg.MetadataValue[Any]:
    match value:
        case bool():
            return dg.MetadataValue.bool(value)
        case int():
            return dg.MetadataValue.int(value)
        case float():
            return dg.MetadataValue.float(value)
        case str():
            return dg.MetadataValue.text(value)
        case [dict(), *_]:
            return table(value)
        case dict() if value and not any(isinstance(v, dict | list) for v in value.values()):
            return table([{"name": name, "value": v} for name, v in value.items()])
        case _:
            return dg.MetadataValue.json(value)


def _cell(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return json.dumps(value, ensure_ascii=False)


def _column_type(rows: Sequence[dg.TableRecord], column: str) -> str:
    cells = [row.data[column] for row in rows if row.data[column] is not None]
    if cells and all(isinstance(cell, bool) for cell in cells):
        return "bool"
    return "float" if cells and all(isinstance(c, int | float) for c in cells) else "string"


def _plots(root: Path, out: str) -> Iterator[tuple[str, dg.MetadataValue[Any]]]:
    for path in sorted((root / out).glob("*.png")):
        if path.stat().st_size > _INLINE_BYTES:
            yield path.stem, dg.MetadataValue.path(path.relative_to(root))
            continue
        data = base64.b64encode(path.read_bytes()).decode()
        yield path.stem, dg.MetadataValue.md(f"![{path.stem}](data:image/png;base64,{data})")
