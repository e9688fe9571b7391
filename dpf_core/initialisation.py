"""What prompts and task embeddings start as: words of vocabulary, labels or descriptions."""

from collections.abc import Sequence
from itertools import cycle, islice

import torch
from torch import Tensor

from dpf_core.backbone.frozen import Backbone
from dpf_core.backbone.texts import embed_texts
from dpf_core.config import ModelConfig
from dpf_core.errors import ConfigError
from dpf_core.heads import HeadSpec
from dpf_core.prompts import random_prompts, sample_vocabulary


def start_prompts(
    backbone: Backbone, tasks: Sequence[HeadSpec], config: ModelConfig, generator: torch.Generator
) -> Tensor:
    """Return the start of the pool, [K, D, P, H] float32; K is 1 for methods without a pool.

    P is one less where the task embedding has a position of its own.

    With words of labels or descriptions prompt k has those of task k, counted round; it repeats
    them up to its length, or has the first ones. All tasks are joined where K is 1. Prompts of
    deeper layers start as what the backbone's layers make of the first ones, so that at first they
    steer as the input layer's alone would; those that are random are so at every layer.

    Raises:
        ConfigError: Words of the tasks are wanted and they have none.
    """
    num_prompts = config.pool_size if config.method == "dpf" else 1
    shape = (num_prompts, config.prompted_depth, config.pool_prompt_length, backbone.hidden_size)
    table = backbone.embedding_table().cpu()
    if config.pool_init == "random":
        return random_prompts(table, shape, generator)
    if config.pool_init == "vocabulary":
        words = sample_vocabulary(table, num_prompts, config.pool_prompt_length, generator)
    else:
        words = _task_prompts(backbone, tasks, config, num_prompts)
    if config.prompted_depth == 1:
        return words.unsqueeze(1)
    deeper = backbone.layer_states(words, config.prompted_depth - 1).cpu()
    return torch.cat([words.unsqueeze(1), deeper], dim=1)


def start_task_embeddings(
    backbone: Backbone, tasks: Sequence[HeadSpec], config: ModelConfig, generator: torch.Generator
) -> Tensor:
    """Return the start of e, [T, H] float32.

    Raises:
        ConfigError: Words of the tasks are wanted and they have none.
    """
    if config.task_embedding_init == "random":
        spread = backbone.embedding_table().float().std().cpu()
        drawn = torch.randn(len(tasks), backbone.hidden_size, generator=generator)
        return drawn * spread * config.task_embedding_scale
    texts = [task_words(task, config.task_embedding_init) for task in tasks]
    return embed_texts(backbone, texts).cpu() * config.task_embedding_scale


def task_words(task: HeadSpec, what: str) -> str:
    """Return a task's name as words, its label texts, or its description.

    Raises:
        ConfigError: The task has no description; a task without labels has its name instead.
    """
    name = task.name.replace("-", " ").replace("_", " ")
    if what == "name":
        return name
    if what == "label_words":
        return " ".join(task.label_texts) or name
    if not task.description.strip():
        raise ConfigError(
            f"a task must have a description where prompts start as task_text, got none for "
            f"{task.name!r}. Describe it in its task.yaml, or choose another start "
            "(model.pool_init and model.task_embedding_init in params.yaml)."
        )
    return task.description


def _task_prompts(
    backbone: Backbone, tasks: Sequence[HeadSpec], config: ModelConfig, num_prompts: int
) -> Tensor:
    """Return [K, P, H], embeddings of the words of the tasks."""
    table = backbone.embedding_table().cpu()
    texts = [task_words(task, config.pool_init) for task in tasks]
    if num_prompts == 1:
        texts = [" ".join(texts)]
    ids = [
        list(islice(cycle(_words(backbone, text)), config.pool_prompt_length))
        for text in islice(cycle(texts), num_prompts)
    ]
    return table[torch.tensor(ids)].float()


def _words(backbone: Backbone, text: str) -> list[int]:
    ids: list[int] = backbone.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids
