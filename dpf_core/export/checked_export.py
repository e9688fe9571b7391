"""An export that counts only once ONNX Runtime has agreed with torch on every task."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers

from dpf_core.config import ExportConfig
from dpf_core.errors import ExportError
from dpf_core.examples import TaskExamples, encode_rows, read_text
from dpf_core.export.compare import check_tolerance, compare_with_torch
from dpf_core.export.onnx_export import TOKENIZER_FILE, staged_folder, write_export
from dpf_core.gym.reader import load_manifest, read_split
from dpf_core.model import DPFModel


def export_and_compare(
    model: DPFModel,
    gym: Path,
    out_dir: Path,
    *,
    config: ExportConfig,
    num_threads: int,
    extra: Mapping[str, Any],
) -> dict[str, Any]:
    """Write an export, compare it with torch, and return what to report of it.

    Args:
        model: With a front end.
        gym: Holds test rows of the model's tasks.
        out_dir: Made if missing; its earlier files stay unless everything succeeds.
        config: Operator set, tolerance, provider and rows.
        num_threads: Of ONNX Runtime's operators.
        extra: Further JSON values for the manifest.

    Raises:
        ConfigError: The model has no prompt, or the operator set is unknown.
        ExportError: The folder cannot be written, or ONNX Runtime and torch disagree.
        GymError: The gym lacks one of the tasks.
    """
    with staged_folder(out_dir) as folder:
        manifest = write_export(model, folder, opset=config.opset, extra=extra)
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        examples = sample_examples(model, gym, tokenizer, config.rows)
        comparison = compare_with_torch(
            model, folder, examples, provider=config.provider, num_threads=num_threads
        )
        check_tolerance(comparison, config.tolerance)
    return {
        "max_abs_diff": comparison.max_abs_diff,
        "tolerance": config.tolerance,
        "tasks": comparison.tasks,
        "cases": [
            {"case": case, "max_abs_diff": value} for case, value in comparison.cases.items()
        ],
        "providers": [comparison.provider],
        "opset": config.opset,
        "files": {
            name: {key: record[key] for key in ("sha256", "bytes")}
            for name, record in manifest["files"].items()
        },
    }


def sample_examples(
    model: DPFModel, gym: Path, tokenizer: tokenizers.Tokenizer, count: int
) -> list[TaskExamples]:
    """Return the first test rows of each task, repeated where a task has fewer than `count`.

    Raises:
        ExportError: The exported tokenizer gives other ids than the model gets.
        GymError: The gym lacks one of the tasks.
    """
    manifest = load_manifest(gym)
    result = []
    for task_id, spec in enumerate(model.tasks):
        read = read_split(gym, manifest.task(spec.name), "test")
        rows = list(itertools.islice(itertools.cycle(read), count))
        examples = encode_rows(rows, spec, task_id, model.backbone)
        for row, token_ids in zip(rows, examples.token_ids, strict=True):
            _check_tokens(tokenizer, read_text(row, spec, model.backbone), token_ids)
        result.append(examples)
    return result


def _check_tokens(tokenizer: tokenizers.Tokenizer, text: str, expected: list[int]) -> None:
    found = tokenizer.encode(text).ids
    if found != expected:
        raise ExportError(
            f"{TOKENIZER_FILE} must give the token ids {expected} that the model was trained with, "
            f"got {found} for {text!r}. The backbone's tokenizer cuts or marks texts in a way that "
            "the file cannot hold: name another backbone."
        )
