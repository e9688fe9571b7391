"""A benchmark's figures as text for a terminal."""

from collections.abc import Mapping
from typing import Any

_ELSEWHERE = ("benchmark", "machine", "settings", "order", "peer")
_NOT_MEASURED = "not measured"


def bench_table(result: Mapping[str, Any]) -> str:
    """Return one line a figure, after what was measured and on what."""
    shown = {name: value for name, value in result.items() if name not in _ELSEWHERE}
    rows = [(name, _text(value)) for name, value in shown.items()]
    width = max(len(name) for name, _ in rows)
    lines = [_about(result)]
    if "peer" in result:
        lines.append(f"peer: {result['peer']}")
    return "\n".join([*lines, *(f"{name:{width}}  {text}" for name, text in rows)])


def _about(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    versions = [f"{name} {value}" for name, value in machine["versions"].items() if value]
    flags = [flag for flag in ("amx_bf16", "avx512_bf16", "avx2") if machine.get(flag)]
    parts = [
        f"dpf bench {result['benchmark']}",
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load_average']}",
        " ".join(flags) or "no vector flags known",
        ", ".join(versions),
    ]
    if "settings" in result:
        settings = result["settings"]
        threads = f"{settings['num_threads']} threads"
        parts.append(f"{settings['device']}, {settings['precision']}, {threads}")
    return "; ".join(parts)


def _text(value: Any) -> str:
    if value is None:
        return _NOT_MEASURED
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(inner)}" for name, inner in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "none"
    return str(value)
