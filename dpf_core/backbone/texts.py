"""Texts as vectors and as tokens of a backbone, without any prompt."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dpf_core.backbone.frozen import Backbone


@torch.no_grad()
def embed_texts(backbone: Backbone, texts: Sequence[str]) -> Tensor:
    """Return [N, H], what `Backbone.embed_meaning` says of each text, by the pretrained weights."""
    if not texts:
        return torch.zeros(0, backbone.hidden_size, device=backbone.device)
    rows = []
    size = max(1, backbone.config.batch_tokens // 64)
    for start in range(0, len(texts), size):
        encoded = [token_ids(backbone, text) for text in texts[start : start + size]]
        width = max(map(len, encoded))
        ids = torch.zeros(len(encoded), width, dtype=torch.int64, device=backbone.device)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(encoded):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        rows.append(backbone.pretrained.embed_meaning(ids, mask))
    return torch.cat(rows)


def token_ids(backbone: Backbone, text: str) -> list[int]:
    """Return the token ids of an input, cut to the backbone's max_length."""
    ids: list[int] = backbone.tokenizer(text, verbose=False)["input_ids"]
    return cut(ids, backbone)


def cut(ids: list[int], backbone: Backbone) -> list[int]:
    """Return ids cut to max_length; a special token that closes the text is kept."""
    length = backbone.config.max_length
    if len(ids) <= length:
        return ids
    if ids[-1] in backbone.tokenizer.all_special_ids:
        return [*ids[: length - 1], ids[-1]]
    return ids[:length]
