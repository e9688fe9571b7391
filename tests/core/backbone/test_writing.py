"""What a prompted language model writes, against the same text written without its generation."""

import dataclasses

import pytest
import torch

from dpf_core.backbone.answers import collate_answers
from dpf_core.backbone.decoder import Decoder
from dpf_core.backbone.generation import Generation
from dpf_core.batching import collate
from dpf_core.errors import ConfigError
from tests.core.backbone.slowly import one_row

LENGTH = 5
GREEDY = Generation(max_new_tokens=LENGTH)
depths = pytest.mark.parametrize("depth", [1, 2])
caches = pytest.mark.parametrize("use_cache", [True, False], ids=["cache", "no_cache"])


@pytest.fixture
def given(writer):
    """Return a model's prompted inputs of a few rows of every task, at a depth."""

    def made(depth=1):
        model = writer.model(prompted_depth=depth)
        batch, _ = collate(writer.rows()[:6])
        return model, batch, model.place(model.front_end(batch.task_ids), batch)

    return made


def write(model, given, generation=GREEDY, **changes):
    generation = dataclasses.replace(generation, **changes)
    return model.backbone.generate(given.embeds, given.mask, given.layer_prompts, generation)


@torch.no_grad()
def written_slowly(model, batch, row):
    """The likeliest token after the whole text so far, read anew for every token, of one row."""
    backbone, (embeds, mask, deeper) = model.backbone, one_row(model, batch, row)
    ids = [] if isinstance(backbone, Decoder) else [backbone.model.config.decoder_start_token_id]
    start = len(ids)
    for _ in range(LENGTH):
        so_far = torch.tensor([ids], dtype=torch.int64)
        if isinstance(backbone, Decoder):
            whole = torch.cat([embeds, backbone.embed(so_far)], dim=1)
            logits = backbone.next_token_logits(
                whole, torch.ones(whole.shape[:2], dtype=int), deeper
            )
        else:
            logits = backbone.next_token_logits(embeds, mask, so_far, deeper)
        ids.append(int(logits[0, -1].argmax()))
    return ids[start:]


def mean_likelihood(model, batch, texts):
    answers = collate_answers([[row] for row in texts.tolist()])
    placed = model.place(model.front_end(batch.task_ids), batch)
    with torch.no_grad():
        scores = model.backbone.rank(placed.embeds, placed.mask, placed.layer_prompts, answers)
    return float(scores.mean())


@depths
@caches
def test_greedy_tokens_are_those_of_reading_the_whole_text_anew_for_each(given, depth, use_cache):
    model, batch, placed = given(depth)
    found = write(model, placed, use_cache=use_cache).tolist()
    assert found == [written_slowly(model, batch, row) for row in range(len(found))]


@depths
def test_beams_write_the_same_with_and_without_a_cache(given, depth):
    model, _, placed = given(depth)
    cached, anew = (write(model, placed, num_beams=3, use_cache=c) for c in (True, False))
    assert torch.equal(cached, anew)


def test_samples_are_the_same_with_and_without_a_cache(given):
    model, _, placed = given(2)
    cached, anew = (write(model, placed, is_sampled=True, use_cache=c) for c in (True, False))
    assert torch.equal(cached, anew)


def test_more_beams_find_other_texts_that_are_no_less_likely_on_average(given):
    model, batch, placed = given()
    greedy, beams = write(model, placed), write(model, placed, num_beams=4)
    assert not torch.equal(greedy, beams)
    likelihoods = [mean_likelihood(model, batch, texts) for texts in (greedy, beams)]
    assert likelihoods[0] < likelihoods[1]


def test_samples_follow_their_seed_alone(given):
    model, _, placed = given()
    before = torch.get_rng_state()
    texts = [write(model, placed, is_sampled=True, seed=seed) for seed in (1, 2, 1)]
    assert torch.equal(texts[0], texts[2])
    assert not torch.equal(texts[0], texts[1])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("narrow", [{"sampling_temperature": 1e-4}, {"top_p": 1e-6}])
def test_sampling_that_leaves_no_choice_is_greedy(given, narrow):
    model, _, placed = given()
    assert torch.equal(write(model, placed, is_sampled=True, **narrow), write(model, placed))


def test_a_higher_sampling_temperature_leaves_the_likeliest_token_more_often(given):
    model, _, placed = given()
    greedy = write(model, placed)[:, 0]
    warm, cold = (
        sum(
            int((write(model, placed, is_sampled=True, sampling_temperature=t, seed=s)[:, 0]
                 == greedy).sum())
            for s in range(4)
        )
        for t in (2.0, 0.2)
    )  # fmt: skip
    assert warm < cold


@caches
def test_a_text_ends_with_the_token_that_ends_texts_and_is_padded_after_it(
    given, use_cache, monkeypatch
):
    model, _, placed = given()
    whole = write(model, placed, use_cache=use_cache)
    end = int(whole[0, 2])
    monkeypatch.setattr(model.backbone.model.generation_config, "eos_token_id", end)
    padding = model.backbone.tokenizer.pad_token_id
    ended = write(model, placed, use_cache=use_cache).tolist()
    for row, text in zip(ended, whole.tolist(), strict=True):
        length = text.index(end) + 1 if end in text else LENGTH
        assert row[:length] == text[:length]
        assert set(row[length:]) <= {padding}


def test_at_most_the_wanted_tokens_are_written(given):
    model, _, placed = given()
    assert write(model, placed, max_new_tokens=2).tolist() == write(model, placed)[:, :2].tolist()


@caches
def test_writing_leaves_the_model_as_it_was(given, use_cache):
    model, _, placed = given(2)
    first = write(model, placed, use_cache=use_cache)
    write(model, placed, use_cache=not use_cache, num_beams=2)
    assert "prepare_inputs_for_generation" not in vars(model.backbone.model)
    assert torch.equal(write(model, placed, use_cache=use_cache), first)


@caches
@pytest.mark.parametrize("changes", [{}, {"num_beams": 2}, {"is_sampled": True}])
def test_nothing_is_written_from_numbers_that_are_not_finite(given, use_cache, changes):
    model, _, placed = given()
    placed = dataclasses.replace(placed, embeds=torch.full_like(placed.embeds, float("nan")))
    with pytest.raises(ConfigError, match="logits of a token must be numbers, got NaN"):
        write(model, placed, use_cache=use_cache, **changes)
