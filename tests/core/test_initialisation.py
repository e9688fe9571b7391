import dataclasses
from itertools import cycle, islice

import pytest
import torch

from dpf_core.backbone.texts import embed_texts
from dpf_core.config import ModelConfig
from dpf_core.errors import ConfigError
from dpf_core.initialisation import start_prompts, start_task_embeddings, task_words
from tests import tiny

FAMILIES = ("bert", "gpt2", "t5", "bart")
TEXTS = {"mood": "the mood of a text", "pick": "choose one", "topic": "what it is about " * 3}


@pytest.fixture(scope="module", params=FAMILIES)
def backbone(request, tmp_path_factory):
    return tiny.backbone(tmp_path_factory.mktemp("start") / request.param, request.param)


@pytest.fixture(scope="module")
def tasks(world):
    return [dataclasses.replace(spec, description=TEXTS[spec.name]) for spec in world.specs]


def prompts(backbone, tasks, seed=1, **changes):
    settings = tiny.config(ModelConfig, **changes)
    return start_prompts(backbone, tasks, settings, torch.Generator().manual_seed(seed))


def embeddings(backbone, tasks, seed=1, **changes):
    settings = tiny.config(ModelConfig, **changes)
    return start_task_embeddings(backbone, tasks, settings, torch.Generator().manual_seed(seed))


def words_of(backbone, text, count):
    """The embeddings of a text's tokens, repeated up to a count."""
    ids = backbone.tokenizer(text, add_special_tokens=False)["input_ids"]
    return backbone.embed(torch.tensor([list(islice(cycle(ids), count))]))[0]


@pytest.mark.parametrize("pool_init", ["vocabulary", "label_words", "task_text", "random"])
@pytest.mark.parametrize("method", ["dpf", "shared_prompt"])
def test_a_seed_gives_the_same_prompts_again(backbone, tasks, pool_init, method):
    changes = {"pool_init": pool_init, "method": method, "prompted_depth": 2}
    first, again, other = (prompts(backbone, tasks, seed, **changes) for seed in (1, 1, 2))
    assert first.shape == (4 if method == "dpf" else 1, 2, 3, 16)
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    is_drawn = pool_init in ("vocabulary", "random")
    assert torch.equal(first, other) != is_drawn


@pytest.mark.parametrize("pool_init", ["vocabulary", "label_words", "task_text"])
@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "bart", "t5"])
def test_deeper_prompts_start_where_those_of_the_input_layer_lead(
    tmp_path, tasks, family, pool_init
):
    backbone = tiny.backbone(tmp_path / family, family)
    found = prompts(backbone, tasks, pool_init=pool_init, prompted_depth=2)
    mask = torch.ones(found.shape[0], found.shape[2], dtype=torch.int64)
    deep = backbone.encode(found[:, 0], mask, found[:, 1:])
    torch.testing.assert_close(deep, backbone.encode(found[:, 0], mask))
    elsewhere = found[:, 1:] + torch.randn(found[:, 1:].shape)
    moved = backbone.encode(found[:, 0], mask, elsewhere)
    assert not torch.allclose(deep, moved, atol=1e-2)


@pytest.mark.parametrize("attention", ["packed", "eager"])
def test_states_of_layers_are_those_that_the_model_library_returns(tmp_path, attention):
    backbone = tiny.backbone(tmp_path / "bert", "bert", attention=attention)
    embeds = backbone.embed(torch.tensor([[5, 6, 7], [8, 5, 9]]))
    found = backbone.layer_states(embeds, 2)
    backbone.reconfigure(attention="eager", batch_tokens=4096)
    library = backbone.model(inputs_embeds=embeds, output_hidden_states=True).hidden_states
    torch.testing.assert_close(found, torch.stack(library[1:3], dim=1))


def test_prompts_of_the_vocabulary_are_word_vectors_as_the_backbone_reads_them(backbone, tasks):
    found = prompts(backbone, tasks, pool_init="vocabulary").flatten(0, 2)
    table = backbone.embed(torch.arange(len(backbone.tokenizer)).unsqueeze(0))[0]
    is_word = (found.unsqueeze(1) == table).all(dim=-1)  # [K * P, V]
    assert is_word.any(dim=1).all()


@pytest.mark.parametrize("pool_init", ["label_words", "task_text"])
def test_prompt_k_has_the_words_of_task_k_counted_round(backbone, tasks, pool_init):
    found = prompts(backbone, tasks, pool_init=pool_init, prompt_length=5)[:, 0]
    texts = [task_words(task, pool_init) for task in tasks]
    for k, text in enumerate([*texts, texts[0]]):
        assert torch.equal(found[k], words_of(backbone, text, 5)), text


def test_a_shared_prompt_has_the_words_of_all_tasks_in_order(backbone, tasks):
    found = prompts(backbone, tasks, pool_init="label_words", method="shared_prompt")
    expected = words_of(backbone, "sad happy pick animal food tool", 3)
    assert torch.equal(found[0, 0], expected)


def test_random_prompts_have_the_spread_of_words_and_are_none(backbone, tasks):
    found = prompts(backbone, tasks, pool_init="random", prompt_length=30)
    table = backbone.embedding_table()
    assert float(found.std() / table.std()) == pytest.approx(1, abs=0.1)
    assert torch.cdist(found.flatten(0, 2), table).min() > 1e-2


@pytest.mark.parametrize("start", ["name", "label_words", "task_text"])
def test_a_task_embedding_starts_as_the_scaled_meaning_of_its_words(backbone, tasks, start):
    found = embeddings(backbone, tasks, task_embedding_init=start, task_embedding_scale=0.25)
    expected = embed_texts(backbone, [task_words(task, start) for task in tasks])
    torch.testing.assert_close(found, expected * 0.25)
    assert torch.equal(found, embeddings(backbone, tasks, 2, task_embedding_init=start) * 0.5)


def test_a_random_task_embedding_follows_the_generator_and_the_spread_of_words(backbone, tasks):
    changes = {"task_embedding_init": "random", "task_embedding_scale": 0.5}
    first, again, other = (embeddings(backbone, tasks * 30, s, **changes) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    expected = 0.5 * float(backbone.embedding_table().std())
    assert float(first.std()) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("name", ["my mood", "my pick", "my topic"]),
        ("label_words", ["sad happy", "my pick", "animal food tool"]),
        ("task_text", list(TEXTS.values())),
    ],
)
def test_the_words_of_a_task_are_its_name_its_labels_or_its_description(tasks, what, expected):
    named = [dataclasses.replace(task, name=f"my_{task.name}") for task in tasks]
    assert [task_words(task, what) for task in named] == expected


@pytest.mark.parametrize("setting", ["pool_init", "task_embedding_init"])
def test_a_start_from_descriptions_is_refused_where_a_task_has_none(world, setting):
    bare = tuple(dataclasses.replace(s, description="  ") for s in world.specs)
    undescribed = dataclasses.replace(world, specs=bare)
    with pytest.raises(ConfigError, match=r"a description .*got none for 'mood'\. Describe it"):
        undescribed.model(**{setting: "task_text"})
