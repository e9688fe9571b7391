"""A pool that a new process reads scores and writes as it did where it was saved."""

import subprocess
import sys

import torch
from safetensors.torch import load_file, save_file

from dpf_core.backbone.answers import Answers
from dpf_core.backbone.generation import Generation
from dpf_core.batching import collate
from dpf_core.model import Batch
from dpf_core.pool_io import save_pool

FAMILIES = ("bert", "gpt2", "t5")
ELSEWHERE = """
import sys
from pathlib import Path
from safetensors.torch import load_file, save_file
from dpf_core.backbone.loading import load_backbone
from dpf_core.pool_io import backbone_config, load_pool, read_pool_config
from dpf_core.training.determinism import make_deterministic
from tests.core.backbone.test_fresh_process import outputs

make_deterministic(num_threads=1, seed=9)
for folder in map(Path, sys.argv[1:]):
    model = load_pool(folder, load_backbone(backbone_config(read_pool_config(folder))))
    save_file(outputs(model, load_file(folder / "batch")), folder / "outputs")
"""


@torch.no_grad()
def outputs(model, given):
    """Fused prompts and scores of a batch, and the bytes of what a language model writes."""
    is_encoder = model.heads is not None
    answers = None if is_encoder else Answers(given["answer_ids"], given["answer_mask"])
    rows = {name: given[name] for name in ("task_ids", "input_ids", "attention_mask")}
    batch = Batch(**rows, answers=answers)
    texts = "" if is_encoder else "\n".join(model.generate(batch, Generation(max_new_tokens=5)))
    return {
        "prompts": model.front_end(batch.task_ids),
        "scores": model(batch),
        "texts": torch.tensor(list(texts.encode()), dtype=torch.uint8),
    }


def tensors(batch):
    given = {name: getattr(batch, name) for name in ("task_ids", "input_ids", "attention_mask")}
    if batch.answers is None:
        return given
    return given | {"answer_ids": batch.answers.token_ids, "answer_mask": batch.answers.mask}


def test_an_encoder_a_decoder_and_an_encoder_decoder_give_the_same_bits_in_a_new_process(
    world_of, tmp_path
):
    expected = {}
    for family in FAMILIES:
        world, folder = world_of(family), tmp_path / family
        model = world.model(prompted_depth=2)
        with torch.no_grad():
            for tensor in model.trainable_parameters().values():
                tensor.add_(torch.randn_like(tensor), alpha=0.3)
        save_pool(folder, model, extra={})
        given = tensors(collate(world.rows(0)[:6])[0])
        save_file(given, folder / "batch")
        expected[family] = outputs(model, given)
    folders = [str(tmp_path / family) for family in FAMILIES]
    subprocess.run([sys.executable, "-c", ELSEWHERE, *folders], check=True)
    for family in FAMILIES:
        found = load_file(tmp_path / family / "outputs")
        assert found.keys() == expected[family].keys()
        assert all(torch.equal(found[name], expected[family][name]) for name in found), family
        assert (len(found["texts"]) > 0) == (family != "bert")
