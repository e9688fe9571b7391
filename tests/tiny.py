"""A random backbone, its tokenizer and a gym, all so small that every test can afford them.

Nothing is downloaded. The backbone's weights are wide (standard deviation 0.5): with the usual 0.02
a random encoder hardly sees its input, and a test that compares its outputs could not fail.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import tokenizers
import torch
import transformers

from dpf_core.backbone.frozen import Backbone
from dpf_core.backbone.loading import load_backbone
from dpf_core.build import build_model
from dpf_core.config import (
    BackboneConfig,
    EvaluateConfig,
    ExportConfig,
    ModelConfig,
    RuntimeConfig,
    TrainConfig,
)
from dpf_core.examples import TaskExamples, encode_rows, head_spec, split_training_rows
from dpf_core.gym.build import build_gym
from dpf_core.gym.incoming import incoming_tasks
from dpf_core.gym.reader import Row, TaskRecord, load_manifest
from dpf_core.heads import HeadSpec
from dpf_core.model import DPFModel

T = TypeVar("T")
Task = tuple[dict[str, Any], Sequence[tuple[str, str]]]

MOOD = [
    ("what a lovely bright day", "happy"), ("the rain never ends", "sad"),
    ("we won the game", "happy"), ("my dog is lost", "sad"),
    ("she sings in the sun", "happy"), ("he lost his job", "sad"),
    ("a warm cake for you", "happy"), ("the game was lost in the rain", "sad"),
    ("you are a lovely friend", "happy"), ("nobody came to see her", "sad"),
    ("the sun is bright", "happy"), ("a cold dark day", "sad"),
]  # fmt: skip
TOPIC = [
    ("the dog runs", "animal"), ("eat the warm cake", "food"), ("hold the hammer", "tool"),
    ("a cat sleeps in the sun", "animal"), ("cut the bread", "food"), ("the saw is cold", "tool"),
    ("birds sing", "animal"), ("a pear for you", "food"), ("my spoon", "tool"),
    ("the horse and the dog", "animal"), ("soup in the rain", "food"), ("a bright nail", "tool"),
]  # fmt: skip
PICK = [
    ("which can run (A) dog (B) nail", "dog"), ("which is food (A) saw (B) bread", "bread"),
    ("which is cold (A) rain (B) sun (C) soup", "rain"),
    ("which can sing (A) spoon (B) bird", "bird"), ("which is dark (A) day (B) night", "night"),
    ("which is warm (A) sun (B) rain", "sun"), ("which can cut (A) soup (B) cat (C) saw", "saw"),
    ("which is a tool (A) cat (B) hammer", "hammer"), ("which is bright (A) sun (B) bread", "sun"),
    ("which can eat (A) horse (B) cake", "horse"),
]  # fmt: skip
REPLY = [
    ("the dog runs", "a lovely dog"), ("the rain never ends", "the sun is bright"),
    ("my dog is lost", "nobody came to see the dog"), ("birds sing", "she sings in the sun"),
    ("eat the warm cake", "a cake for you"), ("hold the hammer", "the saw is cold"),
    ("cut the bread", "soup"), ("a cat sleeps in the sun", "a warm bright day"),
]  # fmt: skip
TASKS: dict[str, Task] = {
    "mood": ({"kind": "classification", "labels": ["sad", "happy"]}, MOOD),
    "pick": ({"kind": "multiple_choice", "metric": "ACC"}, PICK),
    "topic": ({"kind": "classification", "labels": ["animal", "food", "tool"]}, TOPIC),
}
TASKS_OF_WRITERS: dict[str, Task] = TASKS | {
    "reply": ({"kind": "text", "metric": "Rouge-L"}, REPLY)
}
"""With free text, which encoders do not write."""

INITIALIZER_RANGE = 0.5
"""Of the weights; T5, which scales each matrix by its size, has a factor of 1 instead."""

_WITHOUT_POOLER = {"add_pooling_layer": False}
_CAUSAL = {"num_key_value_heads": 1, "head_dim": 8, "use_sliding_window": False}
_FAMILIES: dict[str, tuple[Any, Any, dict[str, Any], dict[str, Any]]] = {
    "bert": (transformers.BertConfig, transformers.BertModel, {}, _WITHOUT_POOLER),
    "electra": (
        transformers.ElectraConfig, transformers.ElectraModel, {"embedding_size": 16}, {},
    ),
    "roberta": (transformers.RobertaConfig, transformers.RobertaModel, {}, _WITHOUT_POOLER),
    "xlm-roberta": (
        transformers.XLMRobertaConfig, transformers.XLMRobertaModel, {}, _WITHOUT_POOLER,
    ),
    "gpt2": (transformers.GPT2Config, transformers.GPT2LMHeadModel, {"n_inner": 24}, {}),
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM, _CAUSAL, {}),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM, _CAUSAL, {}),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM, _CAUSAL, {}),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM, _CAUSAL, {}),
    "t5": (
        transformers.T5Config, transformers.T5ForConditionalGeneration,
        {"d_kv": 8, "d_ff": 24, "num_decoder_layers": 2, "initializer_factor": 1.0}, {},
    ),
    "bart": (
        transformers.BartConfig, transformers.BartForConditionalGeneration,
        {"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
         "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24,
         "init_std": INITIALIZER_RANGE, "scale_embedding": True}, {},
    ),
}  # fmt: skip
ENCODERS = ("bert", "electra", "roberta", "xlm-roberta")
DECODERS = ("gpt2", "llama", "mistral", "qwen2", "qwen3")
ENCODER_DECODERS = ("t5", "bart")
WRITERS = DECODERS + ENCODER_DECODERS
FAMILIES = ENCODERS + WRITERS
_SPECIAL = ["<first>", "[PAD]", "[CLS]", "[SEP]", "[UNK]"]
_CONFIGS: dict[type, dict[str, Any]] = {
    BackboneConfig: {"max_length": 16},
    ModelConfig: {"prompt_length": 3, "pool_size": 4},
    TrainConfig: {
        "max_steps": 11, "batch_size": 7, "dev_rows": 3, "initial_loss_rows": 4,
        "eval_every_steps": 3, "checkpoint_every_steps": 4, "log_every_steps": 3, "patience": 9,
    },
    EvaluateConfig: {}, ExportConfig: {}, RuntimeConfig: {},
}  # fmt: skip


def config(cls: type[T], **changes: Any) -> T:
    """Return one of the library's settings, small where size costs time."""
    return cls(**_CONFIGS[cls] | changes)


def backbone_folder(folder: Path, family: str = "bert", **changes: Any) -> Path:
    """Write a random backbone of two layers and its word tokenizer; return the folder."""
    tokenizer = _bpe_tokenizer() if family in DECODERS else _word_tokenizer()
    vocabulary = tokenizer.get_vocab()
    settings, model, own, without_pooler = _FAMILIES[family]
    sizes = {
        "vocab_size": len(vocabulary), "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 40,
        "initializer_range": INITIALIZER_RANGE, "type_vocab_size": 2,
        "pad_token_id": vocabulary["[PAD]"],
        "bos_token_id": vocabulary["[CLS]"], "eos_token_id": vocabulary["[SEP]"],
    }  # fmt: skip
    if family in ENCODER_DECODERS:
        sizes["decoder_start_token_id"] = vocabulary["[PAD]"]
    torch.manual_seed(5)
    made = model(settings(**sizes | own | changes), **without_pooler)
    if family in WRITERS:  # or the answers of a random model would be all alike
        torch.nn.init.normal_(made.get_input_embeddings().weight, std=INITIALIZER_RANGE)
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def backbone(folder: Path, family: str = "bert", **changes: Any) -> Backbone:
    """Return a frozen tiny backbone, loaded from files; the changes are of its settings."""
    if not folder.exists():
        backbone_folder(folder, family)
    if family in WRITERS:
        changes = {"attention": "sdpa", "max_answer_length": 6} | changes
    return load_backbone(config(BackboneConfig, name=str(folder), **changes))


def gym(folder: Path, tasks: Mapping[str, Task] = TASKS) -> Path:
    """Write the tasks as a user would, build them, and return the gym's folder."""
    for name, (fields, rows) in tasks.items():
        incoming = folder / "incoming" / name
        incoming.mkdir(parents=True)
        defaults = {
            "name": name, "shots": 2, "category": "tiny", "licence": "CC0-1.0",
            "description": "Written by hand.",
        }  # fmt: skip
        (incoming / "task.yaml").write_text(json.dumps(defaults | fields))
        lines = [f"{text}\t{answer}\n" for text, answer in rows]
        (incoming / "train.tsv").write_text("".join(lines))
        (incoming / "test.tsv").write_text("".join(lines[:4]))
    source, specs = incoming_tasks(folder / "incoming")
    build_gym(source, specs, folder / "gym")
    return folder / "gym"


def record(gym_folder: Path, name: str) -> TaskRecord:
    """Return what the gym's manifest says of a task."""
    return load_manifest(gym_folder).task(name)


def rows(*pairs: tuple[str, str]) -> list[Row]:
    """Return rows as read from a file."""
    return [Row(text, answer, line) for line, (text, answer) in enumerate(pairs, start=1)]


@dataclass(frozen=True, slots=True)
class World:
    """A backbone with the tokenised tasks of a gym."""

    backbone: Backbone
    specs: tuple[HeadSpec, ...]
    train_sets: tuple[TaskExamples, ...]
    dev_sets: tuple[TaskExamples, ...]

    def model(self, *, seed: int = 3, **changes: Any) -> DPFModel:
        """Return a fresh model; equal arguments give equal bits."""
        generator = torch.Generator().manual_seed(seed)
        return build_model(self.backbone, self.specs, config(ModelConfig, **changes), generator)

    def rows(self, *tasks: int) -> list[tuple[TaskExamples, int]]:
        """Return (task, row) pairs of these tasks, interleaved; all tasks if none is named."""
        sets = [self.train_sets[task] for task in tasks or range(len(self.specs))]
        longest = max(map(len, sets))
        return [(task, row) for row in range(longest) for task in sets if row < len(task)]


def world(backbone: Backbone, gym_folder: Path) -> World:
    """Return the gym's tasks, tokenised for the backbone."""
    records = load_manifest(gym_folder).tasks
    specs = tuple(head_spec(task) for task in records)
    sets = []
    for i, task in enumerate(records):
        train, dev, _ = split_training_rows(
            gym_folder, task, dev_rows=3, max_train_rows=100, seed=1
        )
        sets.append([encode_rows(part, specs[i], i, backbone) for part in (train, dev)])
    trains, devs = zip(*sets, strict=True)
    return World(backbone, specs, trains, devs)


def _word_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """A tokeniser that opens and closes a text, as encoders have one."""
    texts = {word for _, rows in TASKS.values() for text, _ in rows for word in text.split()}
    answers = {answer for _, rows in TASKS.values() for _, answer in rows}
    words = [*_SPECIAL, *sorted(texts), *TASKS, *sorted(answers - texts - TASKS.keys())]
    model = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
    )
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return _wrapped(model, "[CLS] $A [SEP]")


def _bpe_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """A tokeniser of bytes and their merges that opens a text alone, as decoders have one."""
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=900, special_tokens=_SPECIAL, show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    texts = [text for _, rows in TASKS.values() for row in rows for text in (*row, f" {row[1]}")]
    model.train_from_iterator(texts, trainer)
    return _wrapped(model, "[CLS] $A")


def _wrapped(model: tokenizers.Tokenizer, template: str) -> transformers.PreTrainedTokenizerFast:
    special = [(name, model.token_to_id(name)) for name in ("[CLS]", "[SEP]") if name in template]
    model.post_processor = tokenizers.processors.TemplateProcessing(
        single=template, special_tokens=special
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=model, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        unk_token="[UNK]", eos_token="[SEP]", model_max_length=512,
    )  # fmt: skip
