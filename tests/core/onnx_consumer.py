"""A program that uses an export without this library; the README shows its function.

It is what a service in another repository would do with the files of `data/onnx`.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import tokenizers
import torch
import transformers


def hidden_states(onnx: Path, backbone: Path, task: str, texts: list[str]) -> torch.Tensor:
    manifest = json.loads((onnx / "manifest.json").read_text())
    task_ids = {entry["name"]: entry["id"] for entry in manifest["tasks"]}
    tokens = tokenizers.Tokenizer.from_file(str(onnx / "tokenizer.json")).encode_batch(texts)
    session = onnxruntime.InferenceSession(
        onnx / "front_end.onnx", providers=["CPUExecutionProvider"]
    )
    embeds, mask = session.run(
        ["inputs_embeds", "prompted_attention_mask"],
        {
            "task_id": np.full(len(texts), task_ids[task]),
            "input_ids": np.array([text.ids for text in tokens]),
            "attention_mask": np.array([text.attention_mask for text in tokens]),
        },
    )
    model = transformers.AutoModel.from_pretrained(backbone)
    with torch.inference_mode():
        output = model(inputs_embeds=torch.tensor(embeds), attention_mask=torch.tensor(mask))
    return output.last_hidden_state
