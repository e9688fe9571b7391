import json
import shutil
from dataclasses import replace

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from hypothesis import given
from hypothesis import strategies as st

from dpf_core.backbone.files import resolve_directory, settings_sha256, weights_sha256
from dpf_core.backbone.loading import load_backbone
from dpf_core.backbone.prompt_placement import place_prompt, prompt_start
from dpf_core.config import BackboneConfig
from dpf_core.errors import ConfigError, ShapeError
from dpf_core.files import sha256_file
from tests import tiny

FAMILIES = tiny.ENCODERS
IDS = torch.tensor([[2, 9, 14, 7, 3], [2, 21, 8, 11, 3]])
ONES = torch.ones_like(IDS)


@pytest.fixture(scope="module", params=FAMILIES)
def backbone(request, tmp_path_factory):
    return tiny.backbone(tmp_path_factory.mktemp("families") / request.param, request.param)


def placed_slowly(prompt, embeds, mask):
    """Row by row: padding on the left, the prompt, and everything from the first real token on."""
    rows, masks = [], []
    for p, e, m in zip(prompt, embeds, mask.tolist(), strict=True):
        first = m.index(1)
        rows.append(torch.cat([e[:first], p, e[first:]]))
        masks.append(m[:first] + [1] * len(p) + m[first:])
    return torch.stack(rows), torch.tensor(masks)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5)), min_size=1), st.integers(1, 4))
def test_a_prompt_is_placed_as_a_slow_reference_places_it(spans, length):
    width = max(left + real for left, real in spans) + 1  # one at least is padding on the right
    mask = torch.tensor([[int(a <= i < a + n) for i in range(width)] for a, n in spans])
    prompt, embeds = torch.randn(len(spans), length, 2), torch.randn(len(spans), width, 2)
    found, expected = place_prompt(prompt, embeds, mask), placed_slowly(prompt, embeds, mask)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


def test_a_placed_prompt_gets_its_gradient_back_unchanged():
    prompt = torch.randn(2, 3, 4, requires_grad=True)
    embeds, mask = torch.randn(2, 2, 4), torch.tensor([[0, 1], [1, 1]])
    inputs, _ = place_prompt(prompt, embeds, mask)
    inputs.sum().backward()
    assert torch.equal(prompt.grad, torch.ones_like(prompt))


@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 3), (2, 5, 4), (2, 5)],
        [(2, 3, 4), (2, 5, 6), (2, 5)],
        [(1, 3, 4), (2, 5, 4), (2, 5)],
        [(2, 3, 4), (2, 5, 4), (2, 6)],
    ],
)
def test_tensors_that_do_not_belong_together_are_refused_with_their_shapes(shapes):
    with pytest.raises(ShapeError, match=r"got .* and") as raised:
        place_prompt(*map(torch.zeros, shapes))
    assert all(str(shape) in str(raised.value) for shape in shapes)


def test_the_prompt_starts_after_the_padding_on_the_left():
    mask = torch.tensor([[1, 1, 0], [0, 1, 1], [0, 0, 1]])
    assert prompt_start(mask).flatten().tolist() == [0, 1, 2]


def test_without_a_prompt_the_hidden_states_are_the_model_librarys_own(backbone):
    library = load_backbone(replace(backbone.config, attention="eager")).model
    expected = library(input_ids=IDS, attention_mask=ONES).last_hidden_state
    torch.testing.assert_close(backbone.encode(backbone.embed(IDS), ONES), expected)


@pytest.mark.parametrize(("left", "right"), [(3, 0), (0, 3), (2, 1)])
def test_padding_on_any_side_leaves_the_real_tokens_hidden_states(backbone, left, right):
    ids = torch.nn.functional.pad(IDS, (left, right), value=9)
    mask = torch.nn.functional.pad(ONES, (left, right))
    hidden = backbone.encode(backbone.embed(ids), mask)[:, left : left + IDS.shape[1]]
    expected = backbone.encode(backbone.embed(IDS), ONES)
    torch.testing.assert_close(hidden, expected, atol=1e-5, rtol=1e-5)


def layers_by_hand(backbone, embeds, prompts):
    """Run embeddings and layers one by one, and write each layer's prompt over its positions."""
    first = 2 if "roberta" in backbone.model_type else 0
    positions = torch.arange(embeds.shape[1]).unsqueeze(0) + first
    hidden = backbone.model.embeddings(inputs_embeds=embeds, position_ids=positions)
    for depth, layer in enumerate(backbone.model.encoder.layer):
        if depth > 0:
            hidden = torch.cat([prompts[:, depth - 1], hidden[:, prompts.shape[2] :]], dim=1)
        hidden = layer(hidden)
    return hidden


def test_deeper_prompts_replace_the_prompt_positions_of_their_layer(backbone):
    prompt, deeper = torch.randn(2, 3, 16), torch.randn(2, 1, 3, 16)
    embeds, mask = place_prompt(prompt, backbone.embed(IDS), ONES)
    found = backbone.encode(embeds, mask, deeper)
    library = load_backbone(replace(backbone.config, attention="eager"))
    torch.testing.assert_close(found, layers_by_hand(library, embeds, deeper))
    assert not torch.allclose(found, backbone.encode(embeds, mask))


def test_deeper_prompts_leave_no_trace_after_the_call(backbone):
    embeds, mask = place_prompt(torch.randn(2, 3, 16), backbone.embed(IDS), ONES)
    before = backbone.encode(embeds, mask)
    backbone.encode(embeds, mask, torch.randn(2, 1, 3, 16))
    assert torch.equal(backbone.encode(embeds, mask), before)


def test_attention_implementations_agree(backbone):
    other = load_backbone(replace(backbone.config, attention="sdpa"))
    embeds, mask = place_prompt(torch.randn(2, 3, 16), backbone.embed(IDS), ONES)
    expected = backbone.encode(embeds, mask)
    torch.testing.assert_close(other.encode(embeds, mask), expected, atol=1e-5, rtol=1e-5)


def test_no_tensor_of_a_backbone_requires_a_gradient_and_dropout_stays_off(backbone):
    backbone.train()
    assert not any(p.requires_grad for p in backbone.parameters())
    assert not any(module.training for module in backbone.modules())


def test_positions_of_a_family_end_where_its_table_ends(backbone):
    assert backbone.max_positions == (38 if "roberta" in backbone.model_type else 40)
    longest = torch.full((1, backbone.max_positions), 9)
    backbone.encode(backbone.embed(longest), torch.ones_like(longest))
    longer = torch.full((1, backbone.max_positions + 1), 9)
    with pytest.raises((IndexError, RuntimeError), match="index 40 is out of bounds"):
        backbone.encode(backbone.embed(longer), torch.ones_like(longer))


def test_a_bf16_backbone_gives_fp32_hidden_states_near_those_of_fp32(backbone_folder):
    fp32, bf16 = (tiny.backbone(backbone_folder, precision=p) for p in ("fp32", "bf16"))
    assert bf16.word_embeddings.weight.dtype == torch.bfloat16
    hidden = bf16.encode(bf16.embed(IDS), ONES)
    assert hidden.dtype == torch.float32
    assert (hidden - fp32.encode(fp32.embed(IDS), ONES)).abs().mean() < 0.05


def test_the_hash_of_one_weight_file_is_the_files_own(backbone_folder):
    assert weights_sha256(backbone_folder) == sha256_file(backbone_folder / "model.safetensors")


def test_the_hash_of_shards_covers_every_shard(tmp_path):
    for number in (1, 2):
        (tmp_path / f"model-0000{number}-of-00002.safetensors").write_bytes(b"same")
    before = weights_sha256(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(b"other")
    assert weights_sha256(tmp_path) != before


def test_weights_that_are_not_safetensors_are_refused(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"weights as model.safetensors, got none in"):
        weights_sha256(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "owner/name", "a/b/c", ""])
def test_a_backbone_that_cannot_be_found_is_refused_with_its_name(name):
    with pytest.raises(ConfigError, match=r"hub id owner/name with backbone.revision") as raised:
        load_backbone(BackboneConfig(name=name))
    assert repr(name) in str(raised.value)


@pytest.mark.parametrize("name", ["bundled", "a folder"])
def test_a_revision_is_refused_where_it_has_no_effect(backbone_folder, name):
    chosen = str(backbone_folder) if name == "a folder" else name
    with pytest.raises(ConfigError, match=r"revision must be null unless .*got 'abc'"):
        load_backbone(BackboneConfig(name=chosen, revision="abc"))


def test_a_family_that_is_not_served_is_refused_with_those_that_are(backbone_folder, tmp_path):
    folder = shutil.copytree(backbone_folder, tmp_path / "other")
    (folder / "config.json").write_text('{"model_type": "mamba"}')
    with pytest.raises(ConfigError, match=r"one of bert, electra, .*, t5, got 'mamba'"):
        load_backbone(BackboneConfig(name=str(folder)))


def test_word_embeddings_of_another_size_than_the_hidden_states_are_refused(tmp_path):
    folder = tiny.backbone_folder(tmp_path / "factorised", "electra", embedding_size=8)
    with pytest.raises(ConfigError, match="hidden size 16, got 8"):
        load_backbone(BackboneConfig(name=str(folder)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", "{}"),
        ("config.json", '{"model_type": "nothing"}'),
        ("model.safetensors", "cut"),
        ("tokenizer.json", '{"version": '),
    ],
)
def test_a_damaged_file_of_a_backbone_is_named_in_one_line(tmp_path, name, content):
    folder = tiny.backbone_folder(tmp_path / "damaged")
    (folder / name).write_text(content)
    with pytest.raises(ConfigError, match=name.removesuffix(".json")) as raised:
        load_backbone(tiny.config(BackboneConfig, name=str(folder)))
    assert "\n" not in str(raised.value)


def test_weights_that_do_not_fit_the_architecture_are_refused(tmp_path):
    folder = tiny.backbone_folder(tmp_path / "other")
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"hidden_size": 16', '"hidden_size": 20'))
    with pytest.raises(ConfigError, match="must be whole and fit its architecture"):
        load_backbone(tiny.config(BackboneConfig, name=str(folder)))


def test_a_backbone_without_its_tokenizer_is_refused(tmp_path):
    folder = tiny.backbone_folder(tmp_path / "mute")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match="must have its tokenizer"):
        load_backbone(tiny.config(BackboneConfig, name=str(folder)))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_the_hash_of_the_settings_is_of_configuration_and_tokenizer(
    backbone_folder, tmp_path, name
):
    folder = shutil.copytree(backbone_folder, tmp_path / "copy")
    (folder / "README.md").write_text("Nothing that a model reads.")
    assert settings_sha256(folder) == settings_sha256(backbone_folder)
    (folder / name).write_text("{}")
    assert settings_sha256(folder) != settings_sha256(backbone_folder)


@pytest.mark.parametrize("revision", ["main", "v1.0", "xyz", "0" * 39])
def test_a_revision_that_is_no_commit_is_refused(revision):
    with pytest.raises(ConfigError, match=f"must be a commit of 40 .* got '{revision}'"):
        resolve_directory(BackboneConfig(name="owner/name", revision=revision))


def test_a_hub_that_cannot_be_reached_is_one_sentence(monkeypatch):
    def unreachable(*args, **options):
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(ConfigError, match=r"owner/name at 0+ must be .* within reach.*no connect"):
        resolve_directory(BackboneConfig(name="owner/name", revision="0" * 40))


def test_who_wrote_the_files_changes_no_hash(backbone_folder, tmp_path):
    folder = shutil.copytree(backbone_folder, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    config |= {"transformers_version": "9.0", "_name_or_path": "elsewhere"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").write_text("{}")
    assert settings_sha256(folder) == settings_sha256(backbone_folder)
    (folder / "tokenizer.json").unlink()
    without = settings_sha256(folder)
    (folder / "spiece.model").write_bytes(b"another vocabulary")
    assert settings_sha256(folder) != without


def test_settings_that_are_no_json_are_refused(backbone_folder, tmp_path):
    folder = shutil.copytree(backbone_folder, tmp_path / "copy")
    (folder / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config.json must hold a JSON object, got JSOND"):
        settings_sha256(folder)
