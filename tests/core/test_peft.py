"""PEFT as the oracle: the same prompt through its model and through ours gives the same output."""

import errno
import json
import subprocess
import sys

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file

from dpf_core.adapters import CONFIG_FILE, TASK_TYPES, WEIGHTS_FILE
from dpf_core.backbone.decoder import Decoder
from dpf_core.backbone.encoder_decoder import EncoderDecoder
from dpf_core.build import build_model
from dpf_core.config import ModelConfig
from dpf_core.errors import ConfigError, GymError
from dpf_core.export.peft_adapter import export_adapters
from dpf_core.heads import HeadSpec
from dpf_core.model import Batch
from tests import tiny
from tests.properties import pad

FAMILIES = ("bert", "roberta", "gpt2", "llama", "qwen2", "qwen3", "t5", "bart")
LOADERS = {
    "encoder": transformers.AutoModel,
    "decoder": transformers.AutoModelForCausalLM,
    "encoder_decoder": transformers.AutoModelForSeq2SeqLM,
}
TOLERANCE = 1e-5
"""Largest absolute difference of values of size 1 to 10, in fp32. Both sides run the model
library's layers with the same attention and were seen to be bit-equal; sums in another order, as
for a batch of another shape, were seen to differ by 3e-6. A wrong position moves more than 0.1."""
ANSWER = torch.tensor([[1, 6, 7], [1, 9, 8]])


@pytest.fixture(scope="module", params=FAMILIES)
def backbone(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("peft") / request.param
    return tiny.backbone(folder, request.param, attention="sdpa")


def new_model(backbone, names=("mood", "tone"), **changes):
    """A model of these tasks, none of whose tensors is as it started."""
    tasks = [
        HeadSpec(
            name=name, kind="classification", labels=("sad", "happy"),
            label_texts=("sad", "happy"), metric="ACC", description="",
        )
        for name in names
    ]  # fmt: skip
    config = tiny.config(ModelConfig, **changes)
    model = build_model(backbone, tasks, config, torch.Generator().manual_seed(3))
    with torch.no_grad():
        for tensor in model.trainable_parameters().values():
            tensor.add_(torch.randn_like(tensor), alpha=0.3)
    return model


def batch_of(*lengths):
    """Rows of the second task, padded on the right to the longest."""
    ids = torch.randint(5, 40, (len(lengths), max(lengths)))
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return Batch(task_ids=torch.ones(len(lengths), dtype=int), input_ids=ids, attention_mask=mask)


@torch.no_grad()
def ours(model, batch):
    """Hidden states of an encoder, logits of a language model, at every place."""
    given, backbone = model.place(model.front_end(batch.task_ids), batch), model.backbone
    if isinstance(backbone, Decoder):
        return backbone.next_token_logits(given.embeds, given.mask)
    if isinstance(backbone, EncoderDecoder):
        return backbone.next_token_logits(given.embeds, given.mask, ANSWER)
    return backbone.encode(given.embeds, given.mask)


@torch.no_grad()
def theirs(model, adapter, batch):
    """The same from PEFT, with the adapter on the model library's own copy of the backbone."""
    backbone = model.backbone
    base = LOADERS[backbone.family.kind].from_pretrained(
        backbone.directory, attn_implementation=backbone.config.attention, dtype=torch.float32
    )
    oracle = peft.PeftModel.from_pretrained(base, adapter).eval()
    answer = {"decoder_input_ids": ANSWER} if isinstance(backbone, EncoderDecoder) else {}
    output = oracle(input_ids=batch.input_ids, attention_mask=batch.attention_mask, **answer)
    return output.logits if "logits" in output else output.last_hidden_state


def on_text(model, output, batch):
    """The places of the prompt and of real tokens alone; an answer is real throughout."""
    if isinstance(model.backbone, EncoderDecoder):
        return output
    return output[model.place(model.front_end(batch.task_ids), batch).mask.bool()]


def content(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("lengths", [(5, 5), (3, 7)], ids=["unpadded", "padded_on_the_right"])
def test_peft_with_the_adapter_gives_what_the_pool_gives(
    backbone, tmp_path, lengths, record_property
):
    model, batch = new_model(backbone), batch_of(*lengths)
    export_adapters(model, tmp_path)
    found, expected = ours(model, batch), theirs(model, tmp_path / "tone", batch)
    difference = float(on_text(model, found - expected, batch).abs().max())
    record_property("largest_difference", difference)
    assert difference <= TOLERANCE


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2", "qwen3"])
def test_padding_on_the_left_changes_what_peft_gives_and_not_what_we_give(
    tmp_path, family, record_property
):
    # Should PEFT place its prompts and positions behind the padding one day, this test says so.
    model, batch = new_model(tiny.backbone(tmp_path / family, family)), batch_of(5, 5)
    export_adapters(model, tmp_path)
    padded, expected = pad(batch, left=2), ours(model, batch)
    torch.testing.assert_close(ours(model, padded)[:, 2:], expected, atol=TOLERANCE, rtol=0)
    text = theirs(model, tmp_path / "tone", padded)[:, 5:] - expected[:, 3:]
    deviation = float(text.abs().max())
    record_property("deviation_of_peft", deviation)
    assert deviation > 0.1


def test_peft_saves_an_adapter_again_as_the_same_tensors(backbone, tmp_path):
    model = new_model(backbone)
    export_adapters(model, tmp_path)
    base = LOADERS[backbone.family.kind].from_pretrained(backbone.directory)
    oracle = peft.PeftModel.from_pretrained(base, tmp_path / "tone")
    oracle.save_pretrained(tmp_path / "again")
    file = tmp_path / "again" / WEIGHTS_FILE
    assert file.read_bytes() == (tmp_path / "tone" / WEIGHTS_FILE).read_bytes()


def test_a_pool_that_starts_from_the_adapters_has_their_prompts_to_the_bit(backbone, tmp_path):
    earlier = new_model(backbone)
    export_adapters(earlier, tmp_path)
    config = tiny.config(ModelConfig, init_from=str(tmp_path))
    found = build_model(backbone, earlier.tasks, config, torch.Generator())
    assert torch.equal(found.front_end.pool.prompts[:2], earlier.front_end(torch.arange(2)))


def test_an_adapter_of_a_shared_prompt_is_that_prompt(world, tmp_path):
    model = new_model(world.backbone, method="shared_prompt")
    export_adapters(model, tmp_path)
    for name in ("mood", "tone"):
        found = load_file(tmp_path / name / WEIGHTS_FILE)["prompt_embeddings"]
        assert torch.equal(found, model.front_end.prompt[0])


def test_the_config_says_what_peft_needs_and_no_folder_of_this_machine(backbone, tmp_path):
    export_adapters(new_model(backbone), tmp_path)
    text = (tmp_path / "mood" / CONFIG_FILE).read_text()
    assert str(backbone.directory.parent) not in text
    assert json.loads(text) == {
        "base_model_name_or_path": backbone.directory.name, "revision": None,
        "peft_type": "PROMPT_TUNING", "task_type": TASK_TYPES[backbone.family.kind],
        "inference_mode": True, "num_virtual_tokens": 3, "token_dim": 16,
        "num_transformer_submodules": 1, "prompt_tuning_init": "RANDOM",
    }  # fmt: skip


def test_the_same_model_gives_the_same_bytes_and_leaves_other_files(world, tmp_path):
    hashes = export_adapters(world.model(), tmp_path)
    (tmp_path / "mood" / "notes.txt").write_text("mine")
    before = content(tmp_path)
    assert export_adapters(world.model(), tmp_path) == hashes
    assert content(tmp_path) == before
    assert hashes.keys() == {"mood", "pick", "topic"}


def test_prompts_in_deeper_layers_are_refused_with_the_reason(world, tmp_path):
    with pytest.raises(ConfigError, match=r"depth must be 1 .*got 2 .*would be lost"):
        export_adapters(world.model(prompted_depth=2), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_pool_without_prompts_is_refused(world, tmp_path):
    with pytest.raises(ConfigError, match="must be one with prompts by task, got 'heads_only'"):
        export_adapters(world.model(method="heads_only"), tmp_path)


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/b", "..", ""])
def test_a_task_cannot_lead_out_of_the_folder(world, tmp_path, name):
    with pytest.raises(GymError, match="a task name must be"):
        export_adapters(new_model(world.backbone, ("mood", name)), tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_a_disk_that_fills_leaves_all_earlier_adapters(world, tmp_path, monkeypatch):
    export_adapters(world.model(), tmp_path)
    before, left = content(tmp_path), [None] * 3

    def full(_):
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        left.pop()

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        export_adapters(world.model(seed=4), tmp_path)
    assert content(tmp_path) == before


def test_adapters_are_written_without_peft_and_onnx():
    code = "import sys, dpf_core.export.peft_adapter; print({'peft', 'onnx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
