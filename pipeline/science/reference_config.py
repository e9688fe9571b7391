"""PEFT's own settings of a reference."""

from pathlib import Path
from typing import Any

from dpf_core.errors import ConfigError
from pipeline.science.keys import Json
from pipeline.science.references import MPT


def peft_config(name: str, setup: Json, source: Path | None, num_tasks: int) -> Any:
    """Return PEFT's settings; prompts start from words as ours do, where PEFT's method can.

    Args:
        name: Of the reference.
        setup: What it is recorded under.
        source: What it learned from the sources, None for nothing.
        num_tasks: That it learns.

    Raises:
        ConfigError: The file is not in the safetensors format.
    """
    from peft import (
        MultitaskPromptTuningConfig,
        MultitaskPromptTuningInit,
        PromptTuningConfig,
        PromptTuningInit,
        TaskType,
    )

    size = setup["prompt_length"]
    if name != MPT:
        return PromptTuningConfig(
            task_type=TaskType.SEQ_CLS,
            num_virtual_tokens=size,
            prompt_tuning_init=PromptTuningInit.SAMPLE_VOCAB,
        )
    if source is None:
        return MultitaskPromptTuningConfig(
            task_type=TaskType.SEQ_CLS, num_virtual_tokens=size, num_tasks=num_tasks
        )
    if source.suffix != ".safetensors":  # PEFT unpickles any other file
        raise ConfigError(
            f"a source of a reference must be safetensors, got {source}. Remove it; `dpf science "
            "reference` trains it again."
        )
    return MultitaskPromptTuningConfig(
        task_type=TaskType.SEQ_CLS,
        num_virtual_tokens=size,
        num_tasks=num_tasks,
        prompt_tuning_init=MultitaskPromptTuningInit.AVERAGE_SOURCE_TASKS,
        prompt_tuning_init_state_dict_path=str(source),
    )
