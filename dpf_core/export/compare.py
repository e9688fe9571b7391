"""How far ONNX Runtime and torch are apart, on every task and on real rows."""

import copy
import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dpf_core.backbone.frozen import mean_over_tokens
from dpf_core.backbone.language_model import LanguageModel
from dpf_core.backbone.prompt_placement import place_prompt
from dpf_core.batching import collate
from dpf_core.errors import ExportError
from dpf_core.examples import TaskExamples
from dpf_core.export.onnx_export import FRONT_END_FILE, FUSED_PROMPT_FILE
from dpf_core.export.onnx_session import Session, open_session
from dpf_core.model import Batch, DPFModel

_LAYOUTS = ((0, "right"), (0, "left"), (5, "right"), (5, "left"))
"""Padding beyond the longest row, and the side on which padding stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Largest absolute differences between ONNX Runtime and torch."""

    provider: str
    tasks: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By task name."""
    cases: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By what was compared: batch size, length, side of the padding, output."""

    @property
    def max_abs_diff(self) -> float:
        """The largest of all."""
        return max(self.tasks.values())

    def add(self, case: str, names: Sequence[str], expected: Tensor, found: Tensor) -> None:
        """Record the differences of one output, whose row i belongs to task `names[i]`.

        Raises:
            ExportError: The shapes differ.
        """
        for name, gap in zip(names, row_differences(expected, found, case), strict=True):
            self.tasks[name] = max(self.tasks[name], gap)
            self.cases[case] = max(self.cases[case], gap)


def compare_with_torch(
    model: DPFModel,
    folder: Path,
    examples: Sequence[TaskExamples],
    *,
    provider: str,
    num_threads: int | None = None,
) -> Comparison:
    """Run every task through both, and return how far they are apart.

    Compared are fused prompts, the backbone's input made of real rows, and the hidden states and
    logits that backbone and heads make of either input; for batches of one row, of several rows of
    one task, and of all tasks; the input at two lengths, with padding on either side. A bfloat16
    backbone is compared in float32, on its own rounded weights: rounding to bfloat16 would turn a
    difference of one float32 bit into one of 1/256.

    Args:
        model: What was exported.
        folder: Where.
        examples: Rows of each task, in task-id order.
        provider: Execution provider that the sessions must get.
        num_threads: Of ONNX Runtime's operators.

    Raises:
        ExportError: A file is damaged, the provider cannot be had, or shapes differ.
    """
    if model.backbone.config.precision == "bf16":
        model = copy.deepcopy(model).float()
    fused, front = (
        open_session(folder / name, provider, num_threads=num_threads)
        for name in (FUSED_PROMPT_FILE, FRONT_END_FILE)
    )
    comparison = Comparison(provider=front.provider)
    with torch.inference_mode():
        _compare_prompts(model, fused, len(examples[0]), comparison)
        for task in examples:
            for count in sorted({1, len(task)}):
                _compare_input(model, front, [(task, row) for row in range(count)], comparison)
        _compare_input(model, front, [(task, 0) for task in examples], comparison)
    return comparison


def check_tolerance(comparison: Comparison, tolerance: float) -> None:
    """Return if no task differs by more than the tolerance.

    Raises:
        ExportError: One does; the message names the worst.
    """
    above = {name: gap for name, gap in comparison.tasks.items() if gap > tolerance}
    if not above:
        return
    worst = max(above, key=lambda name: above[name])
    case = max(comparison.cases, key=lambda name: comparison.cases[name])
    raise ExportError(
        f"ONNX Runtime ({comparison.provider}) and torch must differ by at most {tolerance:g}, got "
        f"{above[worst]:g} for task {worst!r} ({len(above)} of {len(comparison.tasks)} tasks are "
        f"above; largest in: {case}). Compare the installed versions with constraints.txt; raise "
        "export.tolerance in params.yaml only with a reason."
    )


def row_differences(expected: Tensor, found: Tensor, case: str) -> list[float]:
    """Return the largest absolute difference of each row; NaN on either side is infinitely far.

    Raises:
        ExportError: The shapes differ.
    """
    if expected.shape != found.shape:
        raise ExportError(
            f"ONNX Runtime must give the shape {tuple(expected.shape)} of torch, got "
            f"{tuple(found.shape)} ({case}). Export again: dvc repro export."
        )
    inf = float("inf")
    gap = (expected.double() - found.double()).abs().nan_to_num(nan=inf, posinf=inf)
    gap = gap.masked_fill(expected == found, 0.0)  # equal infinities mark absent labels
    rows: list[float] = gap.flatten(1).amax(dim=1).tolist()
    return rows


def _compare_prompts(model: DPFModel, session: Session, count: int, comparison: Comparison) -> None:
    one_task = [
        (f"fused prompt, batch {size}", [task_id] * size)
        for task_id in range(len(model.tasks))
        for size in sorted({1, count})
    ]
    for case, ids in [*one_task, ("fused prompt, all tasks", list(range(len(model.tasks))))]:
        found = session.run(task_id=np.array(ids))["fused_prompt"]
        names = [model.tasks[task_id].name for task_id in ids]
        comparison.add(case, names, _prompts(model, torch.tensor(ids)), torch.from_numpy(found))


def _compare_input(
    model: DPFModel,
    session: Session,
    rows: Sequence[tuple[TaskExamples, int]],
    comparison: Comparison,
) -> None:
    names = [model.tasks[task.task_id].name for task, _ in rows]
    one_task = len(set(names)) == 1
    encoded = _LAYOUTS[0] if len(rows) == 1 else _LAYOUTS[-1]  # the backbone costs most by far
    for extra, side in _LAYOUTS:
        size = f"batch {len(rows)}" if one_task else "all tasks"
        case = f"{size}, longest row + {extra}, {side} padding"
        batch = _batch(rows, extra, side)
        expected, found = _torch_input(model, batch), _onnx_input(session, batch)
        for name, value in expected.items():
            comparison.add(f"{name}, {case}", names, value, found[name])
        if (extra, side) == encoded:
            hidden = [_encode(model, values) for values in (expected, found)]
            comparison.add(f"hidden states, {case}", names, *hidden)
        if (extra, side) == encoded and one_task:  # heads take one kind of task at a time
            logits = [
                _logits(model, values, states, batch)
                for values, states in zip((expected, found), hidden, strict=True)
            ]
            comparison.add(f"logits, {case}", names, *logits)


def _batch(rows: Sequence[tuple[TaskExamples, int]], extra: int, side: str) -> Batch:
    batch, _ = collate(rows)
    ids = [torch.tensor(task.token_ids[row]) for task, row in rows]
    padded, mask = _pad(ids, max(map(len, ids)) + extra, side)
    return dataclasses.replace(batch, input_ids=padded, attention_mask=mask)


def _pad(ids: Sequence[Tensor], width: int, side: str) -> tuple[Tensor, Tensor]:
    padded = torch.zeros(len(ids), width, dtype=torch.int64)
    mask = torch.zeros_like(padded)
    for i, row in enumerate(ids):
        real = slice(len(row)) if side == "right" else slice(width - len(row), width)
        padded[i, real] = row
        mask[i, real] = 1
    return padded, mask


def _prompts(model: DPFModel, task_ids: Tensor) -> Tensor:
    if model.front_end is None:
        raise AssertionError("a model without prompts is refused before it is compared")
    prompts: Tensor = model.front_end(task_ids)
    return prompts


def _torch_input(model: DPFModel, batch: Batch) -> dict[str, Tensor]:
    prompts = _prompts(model, batch.task_ids)
    embeds, mask = place_prompt(
        prompts[:, 0], model.backbone.embed(batch.input_ids), batch.attention_mask
    )
    values = {"inputs_embeds": embeds, "prompted_attention_mask": mask}
    return values if prompts.shape[1] == 1 else values | {"layer_prompts": prompts[:, 1:]}


def _onnx_input(session: Session, batch: Batch) -> dict[str, Tensor]:
    outputs = session.run(
        task_id=batch.task_ids.numpy(),
        input_ids=batch.input_ids.numpy(),
        attention_mask=batch.attention_mask.numpy(),
    )
    return {name: torch.from_numpy(value) for name, value in outputs.items()}


def _encode(model: DPFModel, values: Mapping[str, Tensor]) -> Tensor:
    """Return hidden states [B, P + S, H], zero at padding, where nothing reads them."""
    mask = values["prompted_attention_mask"]
    hidden = model.backbone.encode(values["inputs_embeds"], mask, values.get("layer_prompts"))
    return hidden * mask.unsqueeze(-1)


def _logits(model: DPFModel, values: Mapping[str, Tensor], hidden: Tensor, batch: Batch) -> Tensor:
    """Return logits [B, C] from an input, or from the hidden states that it has given."""
    if isinstance(model.backbone, LanguageModel) and batch.answers is not None:
        return model.backbone.rank(
            values["inputs_embeds"],
            values["prompted_attention_mask"],
            values.get("layer_prompts"),
            batch.answers,
        )
    mask = batch.attention_mask
    no_prompt = torch.zeros(len(mask), hidden.shape[1] - mask.shape[1], 1)
    real, _ = place_prompt(no_prompt, mask.unsqueeze(-1).float(), mask)  # 0 where the prompt stands
    if model.heads is None:
        raise AssertionError("a model without heads ranks answers")
    logits: Tensor = model.heads(
        mean_over_tokens(hidden, real.squeeze(-1)), batch.task_ids, batch.options
    )
    return logits
