import dataclasses

import pytest
import torch

from dpf_core.backbone.generation import Generation
from dpf_core.backbone.prompt_placement import place_prompt
from dpf_core.backbone.texts import embed_texts
from dpf_core.batching import collate
from dpf_core.build import build_model
from dpf_core.config import ModelConfig
from dpf_core.errors import ConfigError, TaskIdError
from dpf_core.front_end import FrontEnd
from dpf_core.heads import HeadSpec
from dpf_core.prompts import PromptPool
from dpf_core.task_scheduler import TaskScheduler
from tests import tiny
from tests.properties import pad

HEADS = {"heads.bias", "heads.delta"}
FRONT_END = {
    "front_end.fusion.gate_bias", "front_end.fusion.gate_weight",
    "front_end.fusion.task_embedding", "front_end.pool.prompts",
    "front_end.scheduler.scheduler_logits",
}  # fmt: skip
FACTORS = ("front_end.position_factors", "front_end.hidden_factors")
TRAINABLE = {
    "dpf": FRONT_END | HEADS,
    "shared_prompt": {"front_end.prompt"} | HEADS,
    "single_task": {"front_end.prompts"} | HEADS,
    "mpt": {"front_end.prompt", *FACTORS} | HEADS,
    "heads_only": HEADS,
}
KINDS = {"classification": (0, 2), "multiple choice": (1,)}
TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}  # fp32 sums in another order


@pytest.fixture(params=KINDS)
def batch(request, world):
    return collate(world.rows(*KINDS[request.param]))[0]


@pytest.fixture(scope="module", params=["bert", "electra", "roberta"])
def family(request, tmp_path_factory, tiny_gym):
    folder = tmp_path_factory.mktemp("families") / request.param
    return tiny.world(tiny.backbone(folder, request.param), tiny_gym)


def take(batch, rows):
    width = int(batch.attention_mask[rows].sum(dim=1).max())
    return dataclasses.replace(
        batch,
        task_ids=batch.task_ids[rows],
        input_ids=batch.input_ids[rows, :width],
        attention_mask=batch.attention_mask[rows, :width],
        options=None if batch.options is None else batch.options[rows],
    )


@pytest.mark.parametrize("method", TRAINABLE)
def test_the_trainable_tensors_are_these_and_no_others(world, method):
    model = world.model(method=method)
    assert set(model.trainable_parameters()) == TRAINABLE[method]
    required = {name for name, p in model.named_parameters() if p.requires_grad}
    assert required == TRAINABLE[method]


def test_the_same_generator_gives_the_same_model(world):
    first, second, other = (world.model(seed=s).trainable_parameters() for s in (3, 3, 4))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["front_end.pool.prompts"], other["front_end.pool.prompts"])


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize(("left", "right"), [(4, 0), (0, 4), (1, 2)])
def test_more_padding_on_either_side_does_not_change_a_rows_logits(
    family, batch, depth, left, right
):
    model = family.model(prompted_depth=depth)
    torch.testing.assert_close(model(pad(batch, left=left, right=right)), model(batch), **TOLERANCE)


@pytest.mark.parametrize("depth", [1, 2])
def test_batch_order_and_batch_size_do_not_change_a_rows_logits(world, batch, depth):
    model = world.model(prompted_depth=depth)
    logits, order = model(batch), torch.randperm(len(batch.task_ids))
    torch.testing.assert_close(model(take(batch, order)), logits[order], **TOLERANCE)
    alone = torch.cat([model(take(batch, [row])) for row in range(len(order))])
    torch.testing.assert_close(alone, logits, **TOLERANCE)


def test_a_prompt_changes_the_logits_and_so_does_a_deeper_one(family, batch):
    model = family.model(prompted_depth=2)
    prompts = model.front_end(batch.task_ids)
    scores = [model.score(p, batch) for p in (None, prompts[:, :1], prompts)]
    finite = torch.isfinite(scores[0])
    for i, j in ((0, 1), (1, 2), (0, 2)):
        assert (scores[i] - scores[j])[finite].abs().max() > 0.01


def test_the_baseline_without_a_prompt_scores_the_bare_backbone(world, batch):
    model = world.model(method="heads_only")
    assert torch.equal(model(batch), model.score(None, batch))


@pytest.mark.parametrize("depth", [1, 2])
def test_the_text_vector_is_the_mean_over_real_tokens_without_prompt_and_padding(
    world, batch, depth
):
    model = world.model(prompted_depth=depth)
    prompts, one = model.front_end(batch.task_ids[:1]), take(batch, [0])
    embeds, mask = place_prompt(
        prompts[:, 0], world.backbone.embed(one.input_ids), one.attention_mask
    )
    hidden = world.backbone.encode(embeds, mask, prompts[:, 1:] if depth > 1 else None)
    z = hidden[:, 3:].mean(dim=1)  # P = 3, and a row alone has no padding
    expected = model.heads(z, one.task_ids, one.options)
    torch.testing.assert_close(model(batch)[:1], expected, **TOLERANCE)


def test_permuting_pool_and_scheduler_together_changes_nothing(world):
    model, order = world.model(prompted_depth=2), torch.tensor([2, 0, 3, 1])
    pool, scheduler, fusion = (getattr(model.front_end, n) for n in ("pool", "scheduler", "fusion"))
    permuted = FrontEnd(
        PromptPool(pool.prompts[order]),
        TaskScheduler(scheduler.scheduler_logits[:, order], temperature=scheduler.temperature),
        fusion,
    )
    tasks = torch.arange(3)
    torch.testing.assert_close(permuted(tasks), model.front_end(tasks))


def test_a_fused_prompt_depends_on_its_own_task_alone(world):
    front_end = world.model().front_end
    tasks = torch.tensor([2, 0, 2, 1])
    every = front_end(torch.arange(3))
    torch.testing.assert_close(front_end(tasks), every[tasks])
    assert not torch.allclose(every[0], every[1])


def test_the_shared_prompt_is_the_same_for_every_task(world):
    prompts = world.model(method="shared_prompt").front_end(torch.arange(3))
    assert prompts.shape == (3, 1, 3, 16)
    assert torch.equal(prompts[0], prompts[2])


def test_a_task_embedding_starts_as_the_scaled_embedding_of_the_tasks_name(world):
    embedded = embed_texts(world.backbone, ["mood", "pick", "topic"])
    found = world.model(task_embedding_scale=0.25).front_end.fusion.task_embedding
    torch.testing.assert_close(found.detach(), embedded * 0.25)


def test_texts_are_embedded_alike_alone_and_together(world):
    texts = ["the dog runs in the rain", "sun", "a bright day"]
    alone = torch.cat([embed_texts(world.backbone, [text]) for text in texts])
    torch.testing.assert_close(embed_texts(world.backbone, texts), alone, **TOLERANCE)


@pytest.mark.parametrize("task_id", [-1, 3])
def test_a_task_id_that_the_model_does_not_have_is_refused(world, batch, task_id):
    wrong = dataclasses.replace(batch, task_ids=torch.full_like(batch.task_ids, task_id))
    with pytest.raises(TaskIdError, match=rf"in \[0, 3\), got \[{task_id}"):
        world.model()(wrong)


def test_no_text_is_written_with_the_prompt_of_a_task_id_from_the_end(tmp_path, tiny_gym):
    writer = tiny.world(tiny.backbone(tmp_path / "gpt2", "gpt2"), tiny_gym)
    batch, _ = collate(writer.rows(0)[:1])
    wrong = dataclasses.replace(batch, task_ids=torch.tensor([-1]))
    with pytest.raises(TaskIdError, match=r"got \[-1\]"):
        writer.model().generate(wrong, Generation(max_new_tokens=2))


def test_an_unknown_task_name_is_refused_with_the_nearest_one(world):
    model = world.model()
    assert model.task_id("topic") == 2
    with pytest.raises(TaskIdError, match=r"pick, topic, got 'topics'\. Did you mean 'topic'"):
        model.task_id("topics")


def test_more_prompted_layers_than_the_backbone_has_are_refused(world):
    with pytest.raises(ConfigError, match=r"prompted_depth must be <= 2, .*got 3"):
        world.model(prompted_depth=3)


def test_a_prompt_that_does_not_fit_the_positions_beside_the_input_is_refused(world):
    world.model(prompt_length=24)  # 24 + 16 = 40 positions
    with pytest.raises(ConfigError, match=r"must be <= 40, .*got 41"):
        world.model(prompt_length=25)


@pytest.mark.parametrize("method", ["heads_only", "full_finetune"])
def test_a_model_without_a_prompt_needs_no_room_for_one(world, method):
    sizes = {"prompt_length": 25, "prompted_depth": 3}
    assert world.model(method=method, **sizes).prompt_length == 0


def test_a_task_that_wants_free_text_is_refused_by_name(tmp_path):
    backbone = tiny.backbone(tmp_path / "bert")
    specs = [
        HeadSpec(name=name, kind=kind, labels=(), label_texts=(), metric="Rouge-L", description="")
        for name, kind in (("summary", "text"), ("pick", "multiple_choice"))
    ]
    with pytest.raises(ConfigError, match=r"got 1 of 2 that want free text \(summary\)"):
        build_model(backbone, specs, tiny.config(ModelConfig), torch.Generator())
