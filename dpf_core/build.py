"""A model at the start of training: assembled, then started from what came before it, if named."""

from collections.abc import Sequence
from pathlib import Path

import torch

from dpf_core.assembly import assemble_model
from dpf_core.backbone.frozen import Backbone
from dpf_core.config import ModelConfig
from dpf_core.earlier import start_from
from dpf_core.errors import ConfigError
from dpf_core.heads import HeadSpec
from dpf_core.model import DPFModel


def build_model(
    backbone: Backbone, tasks: Sequence[HeadSpec], config: ModelConfig, generator: torch.Generator
) -> DPFModel:
    """Return a model at the start of training, on the backbone's device.

    Raises:
        ConfigError: The prompt does not fit the backbone, it cannot serve a task, or `init_from`
            names nothing that a model can start from.
        CheckpointError: What `init_from` names is damaged, or belongs to another model.
    """
    model = assemble_model(backbone, tasks, config, generator)
    if config.method == "attempt" and config.init_from is None:
        raise ConfigError(
            "model.init_from must name a pool of the method single_task for attempt, whose prompts "
            "its examples attend to, got null (model.init_from in params.yaml). Train one first."
        )
    if config.init_from is not None:
        start_from(model, Path(config.init_from))
    return model
