"""Which trained sources a new task's method can start from, and what must agree."""

from dpf_core.backbone.frozen import Backbone
from dpf_core.config import Method, ModelConfig
from dpf_core.errors import ConfigError, TaskIdError
from dpf_core.heads import HeadSpec
from dpf_core.model import DPFModel

_SOURCE_METHODS: dict[Method, tuple[Method | None, ...]] = {
    "dpf": ("dpf",),
    "shared_prompt": ("shared_prompt",),
    "single_task": (None,),
    "mpt": ("mpt",),
    "attempt": ("single_task",),
    "heads_only": (None,),
    "full_finetune": ("full_finetune", None),
}
"""Methods of the source that a method starts from; None where it starts anew."""

_SHAPES = ("prompt_length", "prompted_depth")
_SAME_SETTINGS: dict[Method, tuple[str, ...]] = {
    "dpf": (
        *_SHAPES, "pool_size", "head_scale",
        "temperature", "temperature_mode", "final_temperature",
        "scheduler_mode", "scheduler_top_k", "gate_mode",
    ),
    "shared_prompt": _SHAPES,
    "single_task": _SHAPES,
    "mpt": _SHAPES,
    "attempt": _SHAPES,
    "full_finetune": (),
}  # fmt: skip
"""Settings that must be those of the source."""


def check_source(
    source: DPFModel | None,
    backbone: Backbone,
    spec: HeadSpec,
    config: ModelConfig,
    source_prompt: int | None,
) -> None:
    """Return if a new task can start from the source.

    Args:
        source: The trained source tasks, or None.
        backbone: Of the new model.
        spec: The new task.
        config: Of the new model.
        source_prompt: Id of the source task whose prompt is taken, or None.

    Raises:
        ConfigError: The method has no use for the source or needs one, or the two do not fit.
        TaskIdError: The source has the new task already, or no task of that id.
    """
    if source_prompt is not None and config.method != "single_task":
        raise ConfigError(
            f"source_prompt must be None for the method {config.method}, got {source_prompt}. Only "
            "single_task starts from one source task's prompt."
        )
    found = None if source is None else source.config
    check_start(config, found, from_one_prompt=source_prompt is not None)
    if source is None:
        return
    check_is_new(source, spec)
    if source.backbone.sha256 != backbone.sha256:
        raise ConfigError(
            f"the source's backbone must have the weights {backbone.sha256}, got "
            f"{source.backbone.sha256}. Load the backbone that the source was trained with."
        )
    if source_prompt is not None and not 0 <= source_prompt < len(source.tasks):
        raise TaskIdError(
            f"source_prompt must be the id of a source task, in [0, {len(source.tasks)}), got "
            f"{source_prompt}. Use what most_similar_prompt returns."
        )


def check_start(config: ModelConfig, source: ModelConfig | None, *, from_one_prompt: bool) -> None:
    """Return if the settings of a new task's model and of its source fit, whatever the tasks.

    Args:
        config: Of the new model.
        source: Of the source, None where the method starts anew.
        from_one_prompt: Whether one source task's prompt is taken, as SPoT does.

    Raises:
        ConfigError: The method has no use for the source or needs one, or the two do not fit.
    """
    method, found = config.method, None if source is None else source.method
    wanted = ("single_task",) if from_one_prompt else _SOURCE_METHODS[method]
    if found not in wanted:
        names = " or ".join(name or "none" for name in wanted)
        raise ConfigError(
            f"the method of the source that {method} starts from must be {names}, got "
            f"{found or 'none'}. Name a source that was trained for this method."
        )
    for name in () if source is None else _SAME_SETTINGS[method]:
        mine, theirs = getattr(config, name), getattr(source, name)
        if mine != theirs:
            raise ConfigError(
                f"model.{name} of an adaptation must be {theirs} as of its source, got {mine}. "
                "Correct it, or train the source again."
            )


def check_is_new(source: DPFModel, spec: HeadSpec) -> None:
    """Return if the source has no task of this name.

    Raises:
        TaskIdError: It has.
    """
    if spec.name in [task.name for task in source.tasks]:
        raise TaskIdError(
            f"a new task must be none of the source's tasks, got {spec.name!r}. Take it out of the "
            "source, or name another task."
        )
