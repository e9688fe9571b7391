"""Dynamic Prompt Fusion: one frozen backbone, and for each task a soft prompt from a shared pool.

Letters, fixed throughout: B batch, S sequence, P prompt length, D prompted depth (1 is the input
layer only), K pool size, T tasks, H hidden size, C labels, V vocabulary.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "Batch": "dpf_core.model",
    "Backbone": "dpf_core.backbone.frozen",
    "DPFModel": "dpf_core.model",
    "FrontEnd": "dpf_core.front_end",
    "Fusion": "dpf_core.fusion",
    "GradNorm": "dpf_core.loss_balancing",
    "LabelTextHeads": "dpf_core.heads",
    "PromptPool": "dpf_core.prompts",
    "TaskScheduler": "dpf_core.task_scheduler",
    "build_model": "dpf_core.build",
    "load_backbone": "dpf_core.backbone.loading",
    "load_pool": "dpf_core.pool_io",
    "place_prompt": "dpf_core.backbone.prompt_placement",
    "save_pool": "dpf_core.pool_io",
    "train": "dpf_core.training.loop",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import dpf_core` loads no torch."""
    if name not in _EXPORTS:
        raise AttributeError(f"module 'dpf_core' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)
