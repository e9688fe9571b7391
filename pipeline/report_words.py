"""What the report says about figures and diagnostics, and how it writes numbers."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """A number of `evaluate.json` in plain words."""

    title: str
    meaning: str
    alarm: str | None = None
    """Name of the alarm that watches this number."""
    most: float | str | None = None
    """The largest possible value, or the diagnostic that holds it."""


DIAGNOSTICS = {
    "mixing_js_divergence": Diagnostic(
        title="Mixing divergence",
        meaning="How differently the tasks mix the pool: the mean Jensen-Shannon divergence of two "
        "tasks' mixing weights. At 0 all tasks use one mixture, and the pool is one shared prompt.",
        alarm="prompt collapse",
        most=math.log(2),
    ),
    "mixing_entropy_mean": Diagnostic(
        title="Mixing entropy",
        meaning="Over how many prompts a task spreads. At 0 it picks a single prompt; at the most "
        "it mixes all of them alike.",
        most="pool_usage_entropy_max",
    ),
    "gate_mean": Diagnostic(
        title="Gate mean",
        meaning="How much of a fused prompt is the task's own embedding. At 1 the pool is unused, "
        "and its gradient vanishes; at 0 only the pool is left.",
    ),
    "gate_saturation_share": Diagnostic(
        title="Gate saturation",
        meaning="Share of gate values outside 0.05 to 0.95. The sigmoid is flat there, so such "
        "values hardly move any more.",
        alarm="gate saturation",
    ),
    "pool_usage_entropy": Diagnostic(
        title="Pool usage",
        meaning="Over how many prompts all tasks together spread. At the most every prompt is used "
        "alike; at 0 all tasks lean on a single one.",
        most="pool_usage_entropy_max",
    ),
    "pool_unused_share": Diagnostic(
        title="Unused prompts",
        meaning="Share of the pool's prompts that no task gives more than an even share. They cost "
        "memory and do nothing of their own.",
        alarm="pool under-use",
    ),
}
"""In the order of the report; another number of `evaluate.json` follows under its own name."""

METHODS = {
    "dpf": (
        "by soft prompts fused from one shared pool",
        "pool, scheduler, gate, task embeddings and heads learn together",
    ),
    "shared_prompt": (
        "by one soft prompt that all tasks share",
        "the shared prompt and the heads learn together",
    ),
    "single_task": (
        "by one soft prompt for each task",
        "each task's prompt and head learn by themselves",
    ),
    "mpt": (
        "by one shared soft prompt times a factor of rank one for each task",
        "the shared prompt, the factors and the heads learn together",
    ),
    "attempt": (
        "by a soft prompt for each input, a mixture of trained ones and of the task's own",
        "each task's prompt and head learn, and the attention that mixes",
    ),
    "full_finetune": (
        "by nothing: its own weights are trained",
        "every weight of the backbone and the heads learn together",
    ),
    "heads_only": ("by their heads alone, without a prompt", "only the heads learn"),
}
"""Method -> what steers the backbone, and what learns."""

FIGURES = {
    "train": {
        "loss": (
            "Training loss of every task over the steps",
            "Training loss by task on shared axes. Grey: as recorded; blue: moving mean, its last "
            "value in the corner.",
        ),
        "dev_score": (
            "Dev score over the steps",
            "Score on the dev rows, by which the kept step is chosen. Grey: each task; blue: mean.",
        ),
        "task_weight": (
            "Heat map of task weights over the steps",
            "How the balancing shifted the loss between tasks. Blue tasks were behind the others "
            "and got more weight, orange ones less.",
        ),
        "fusion": (
            "Gate mean and mixing entropy over the steps",
            "Left: how much of the prompt is the task's own embedding. Right: over how many "
            "prompts of the pool a task spreads. Grey: each task; blue: mean.",
        ),
    },
    "evaluate": {
        "scores": (
            "Score of every task against the majority baseline",
            "Each task in its own CrossFit metric. The open circle is what always answering the "
            "most frequent training label scores; orange tasks are below it.",
        ),
        "scheduler": (
            "Heat map of mixing weights by task and prompt",
            "How each task mixes the pool. Blue: more than an even share; orange: less. Similar "
            "tasks, and similar prompts, stand side by side.",
        ),
        "gate_histogram": (
            "Histogram of gate values",
            "The gate over all tasks and hidden dimensions; saturated values in orange.",
        ),
    },
}
"""Stage -> file stem -> alternative text and caption, in the order of the report."""


def usage_example(task_name: str) -> str:
    """Return the ten lines of Python that run the exported front end for one task."""
    return f"""\
import json, numpy as np, onnxruntime, tokenizers

tasks = {{task["name"]: task["id"] for task in json.load(open("manifest.json"))["tasks"]}}
text = tokenizers.Tokenizer.from_file("tokenizer.json").encode("The text to classify.")
session = onnxruntime.InferenceSession("front_end.onnx", providers=["CPUExecutionProvider"])
embeds, mask, *layer_prompts = session.run(None, {{
    "task_id": np.array([tasks[{task_name!r}]]),
    "input_ids": np.array([text.ids]),
    "attention_mask": np.array([text.attention_mask]),
}})"""


def _score(value: float | None) -> str:
    return "–" if value is None else f"{float(value):.3f}"  # noqa: RUF001 - a dash stands for no value


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _size(num_bytes: int) -> str:
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if num_bytes >= factor:
            return f"{num_bytes / factor:.1f} {unit}"
    return f"{num_bytes} B"


def capitalised(name: str) -> str:
    """Return a name as a title: spaces for underscores, a capital at the start."""
    words = _words(name)
    return words[:1].upper() + words[1:]


def _words(name: str) -> str:
    return name.replace("_", " ")


FILTERS: dict[str, Callable[..., Any]] = {
    "score": _score,
    "signed": _signed,
    "count": lambda value: f"{int(value):,}",
    "compact": lambda value: f"{float(value):.4g}",
    "size": _size,
    "words": _words,
    "capitalised": capitalised,
}
"""How the template writes numbers; scores stay fractions, as in the metrics files."""
