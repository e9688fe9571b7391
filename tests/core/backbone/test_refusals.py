"""What no backbone can do, and the sentence that says so: the value, its place, and the cure."""

import json

import pytest

from dpf_core.backbone.families import FAMILIES
from dpf_core.backbone.loading import load_backbone
from dpf_core.build import build_model
from dpf_core.config import BackboneConfig
from dpf_core.errors import ConfigError
from dpf_core.evaluation.per_task import score_task
from dpf_core.examples import encode_rows
from tests import tiny

OWN_CODE = "raise SystemExit('code of the backbone has run')\n"


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def own_code(tmp_path):
    """Return a folder of a family whose settings ask for code that lies beside them."""

    def made(family, file="config.json", **changes):
        folder = tiny.backbone_folder(tmp_path / "coded", family)
        parts = {"AutoConfig": "own.Config", "AutoModel": "own.Model", "AutoTokenizer": "own.Words"}
        (folder / "own.py").write_text(OWN_CODE)
        edit(folder / file, auto_map=parts, **changes)
        return folder

    return made


def refused_for_its_code(raised, folder, file):
    text = str(raised.value)
    assert "'AutoConfig': 'own.Config'" in text
    assert str(folder / file) in text
    assert "code that came with the weights" in text
    assert "Name a backbone without auto_map" in text


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("family", ["bert", "gpt2", "t5"])
def test_a_folder_that_asks_for_its_own_code_is_refused_also_in_a_known_family(
    own_code, family, file
):
    folder = own_code(family, file)
    with pytest.raises(ConfigError) as raised:
        load_backbone(tiny.config(BackboneConfig, name=str(folder)))
    refused_for_its_code(raised, folder, file)


def test_a_model_type_of_its_own_is_refused_without_a_question_on_the_terminal(
    own_code, monkeypatch
):
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    folder = own_code("bert", model_type="own")
    with pytest.raises(ConfigError) as raised:
        load_backbone(tiny.config(BackboneConfig, name=str(folder)))
    refused_for_its_code(raised, folder, "config.json")


def test_a_repository_of_the_hub_that_asks_for_its_own_code_is_refused(own_code, monkeypatch):
    folder = own_code("llama")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(folder))
    with pytest.raises(ConfigError) as raised:
        load_backbone(tiny.config(BackboneConfig, name="owner/name", revision="a" * 40))
    refused_for_its_code(raised, folder, "config.json")


@pytest.mark.parametrize(("kind", "loader"), [("bert", "BertModel"), ("llama", "LlamaForCausalLM")])
def test_a_backbone_without_an_embedding_table_is_refused(tmp_path, monkeypatch, kind, loader):
    folder = tiny.backbone_folder(tmp_path / kind, kind)
    monkeypatch.setattr(f"transformers.{loader}.get_input_embeddings", lambda _: None)
    with pytest.raises(ConfigError, match=r"a table of its hidden size 16, got NoneType") as raised:
        load_backbone(tiny.config(BackboneConfig, name=str(folder), attention="sdpa"))
    assert f"({folder}). Name another backbone." in str(raised.value)


@pytest.mark.parametrize("model_type", ["mamba", "gemma2", "vit"])
def test_a_family_that_is_not_served_is_refused_with_the_file_and_those_that_are(
    backbone_folder, tmp_path, model_type
):
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    with pytest.raises(ConfigError) as raised:
        load_backbone(BackboneConfig(name=str(folder)))
    text = str(raised.value)
    assert f"must be one of {', '.join(FAMILIES)}, got {model_type!r}" in text
    assert str(folder / "config.json") in text


@pytest.mark.parametrize("family", tiny.WRITERS)
def test_attention_without_padding_is_refused_where_a_family_cannot_run_it(tmp_path, family):
    folder = tiny.backbone_folder(tmp_path / family, family)
    with pytest.raises(ConfigError, match=rf"eager or sdpa .*{family!r}, got 'packed'.*Set"):
        load_backbone(tiny.config(BackboneConfig, name=str(folder)))


@pytest.mark.parametrize("family", tiny.ENCODERS)
def test_free_text_is_refused_by_every_encoder_with_the_tasks_and_the_cure(
    world_of, writers_gym, family
):
    writers = tiny.world(world_of("gpt2").backbone, writers_gym)
    reason = rf"for a {family} backbone .*got 1 of 4 that want free text \(reply\)"
    with pytest.raises(ConfigError, match=reason) as raised:
        build_model(world_of(family).backbone, writers.specs, world_of(family).model().config, None)
    assert "or name a decoder or encoder-decoder" in str(raised.value)


LIMITS = {
    "bert": (24, 40), "roberta": (22, 38), "gpt2": (18, 40), "llama": (18, 40), "bart": (24, 40),
}  # fmt: skip
"""The longest prompt beside inputs of 16 tokens (and answers of 6 in a decoder's row), of so many
positions."""


@pytest.mark.parametrize("family", LIMITS)
def test_a_prompt_that_fits_runs_and_a_longer_one_is_refused_with_the_settings(world_of, family):
    world, (longest, positions) = world_of(family), LIMITS[family]
    row = tiny.rows(("dog " * 40, "sad"))
    examples = encode_rows(row, world.specs[0], 0, world.backbone)
    score_task(world.model(prompt_length=longest), examples, 0)
    with pytest.raises(ConfigError, match=f"<= {positions}, .*got {positions + 1} ") as raised:
        world.model(prompt_length=longest + 1)
    assert "model.prompt_length, backbone.max_length" in str(raised.value)


def test_relative_positions_take_a_prompt_of_any_length(world_of):
    world = world_of("t5")
    examples = encode_rows(tiny.rows(("dog " * 40, "sad")), world.specs[0], 0, world.backbone)
    score_task(world.model(prompt_length=60), examples, 0)


@pytest.mark.parametrize("family", ["mistral", "qwen2", "qwen3"])
def test_a_sliding_window_is_a_limit_of_prompt_input_and_answer(tmp_path, writers_gym, family):
    window = {"sliding_window": 24, "use_sliding_window": True, "max_window_layers": 1}
    folder = tiny.backbone_folder(tmp_path / family, family, **window)
    world = tiny.world(tiny.backbone(folder, family), writers_gym)
    world.model(prompt_length=2)
    with pytest.raises(ConfigError, match=r"must be <= 24, .*got 25 "):
        world.model(prompt_length=3)


def test_answers_longer_than_the_positions_of_an_encoder_decoder_are_refused(tmp_path, writers_gym):
    backbone = tiny.backbone(tmp_path / "bart", "bart", max_answer_length=41)
    world = tiny.world(backbone, writers_gym)
    with pytest.raises(ConfigError, match=r"max_answer_length must be <= 40, .*got 41 .*Shorten"):
        world.model()


@pytest.mark.parametrize("family", ["bert", "gpt2", "t5"])
def test_inputs_that_were_cut_are_counted_in_the_scores(world_of, family):
    world = world_of(family)
    rows = tiny.rows(("dog " * 40, "sad"), ("the dog", "happy"), ("sun " * 40, "happy"))
    examples = encode_rows(rows, world.specs[0], 0, world.backbone)
    found = score_task(world.model(), examples, 0)
    assert (found.num_test_rows, found.truncated_rows, found.truncated_answers) == (3, 2, 0)
