"""The settings of generation; what a model writes with them is in test_writing.py."""

from types import SimpleNamespace

import pytest
import torch

from dpf_core.backbone.generation import Generation, neutral_generation_config, seeded
from dpf_core.batching import collate
from dpf_core.errors import ConfigError
from tests import tiny

WRONG = {
    "max_new_tokens": 0, "num_beams": 0, "sampling_temperature": 0.0, "top_p": 0.0,
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_setting_out_of_range_is_refused_with_its_value(name):
    with pytest.raises(ConfigError, match=rf"{name} must be .*, got {WRONG[name]}\. Correct it"):
        Generation(is_sampled=True, **{name: WRONG[name]})


@pytest.mark.parametrize("changes", [{"top_p": 1.1}, {"sampling_temperature": float("nan")}])
def test_a_share_above_one_and_no_number_are_refused(changes):
    with pytest.raises(ConfigError, match="must be"):
        Generation(is_sampled=True, **changes)


@pytest.mark.parametrize("changes", [{"top_p": 0.9}, {"sampling_temperature": 0.7}])
def test_settings_of_sampling_are_refused_where_nothing_is_sampled(changes):
    with pytest.raises(ConfigError, match=r"must be 1 unless is_sampled .*no effect otherwise"):
        Generation(**changes)


def test_greedy_settings_name_nothing_that_only_sampling_reads():
    greedy = Generation(max_new_tokens=3).arguments()
    assert len(greedy.pop("logits_processor")) == 1  # that ends it at NaN
    assert greedy == {"max_new_tokens": 3, "num_beams": 1, "do_sample": False, "use_cache": True}
    sampled = Generation(is_sampled=True, sampling_temperature=0.5, top_p=0.9).arguments()
    assert (sampled["temperature"], sampled["top_p"], sampled["top_k"]) == (0.5, 0.9, 0)


def test_only_the_special_tokens_of_a_models_own_generation_settings_are_kept(writer):
    found = writer.backbone.model.generation_config
    assert found.num_beams in (None, 1)
    assert found.forced_bos_token_id is None
    assert found.pad_token_id == writer.backbone.tokenizer.pad_token_id
    assert found.eos_token_id == writer.backbone.tokenizer.eos_token_id


def test_a_models_own_beams_and_forced_tokens_do_not_join_a_request(tmp_path, writers_gym):
    folder = tiny.backbone_folder(tmp_path / "plain", "bart")
    other = tiny.backbone_folder(tmp_path / "own", "bart")
    path = other / "generation_config.json"
    path.write_text('{"num_beams": 4, "forced_bos_token_id": 9, "no_repeat_ngram_size": 1}')
    texts = []
    for place in (folder, other):
        world = tiny.world(tiny.backbone(place, "bart"), writers_gym)
        batch, _ = collate(world.rows(2))
        texts.append(world.model().generate(batch, Generation(max_new_tokens=5)))
    assert texts[0] == texts[1]


@pytest.mark.parametrize(("end", "padding"), [(7, 7), ([8, 7], 8)])
def test_a_tokeniser_without_a_padding_token_pads_with_the_end_of_texts(end, padding):
    model = SimpleNamespace(
        generation_config=SimpleNamespace(eos_token_id=end),
        config=SimpleNamespace(bos_token_id=1, eos_token_id=5),
    )
    found = neutral_generation_config(model, SimpleNamespace(pad_token_id=None))
    assert (found.eos_token_id, found.pad_token_id) == (end, padding)


def test_a_seeded_block_draws_by_its_seed_and_leaves_the_generator_alone():
    before, drawn = torch.get_rng_state(), []
    for seed in (1, 1, 2):
        with seeded(seed, torch.device("cpu")):
            drawn.append(torch.rand(3))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_an_encoder_writes_no_text_and_says_what_does(world_of):
    world = world_of("bert")
    batch, _ = collate(world.rows(0))
    with pytest.raises(ConfigError, match=r"decoder or encoder-decoder .*got 'bert'\. Name"):
        world.model().generate(batch, Generation())


def test_a_language_model_without_candidates_says_what_is_missing(writer):
    batch, _ = collate(writer.rows(0))
    bare = type(batch)(
        task_ids=batch.task_ids, input_ids=batch.input_ids, attention_mask=batch.attention_mask
    )
    with pytest.raises(ValueError, match=r"needs candidate answers, got none\. Pass `answers`"):
        writer.model()(bare)
