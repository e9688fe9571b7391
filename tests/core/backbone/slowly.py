"""One row of a batch without any padding, as the slow references of several test files read it."""

import torch


def one_row(model, batch, row):
    """Return [1, P + S, H], its mask of ones, and [1, D-1, P, H] or None: prompt, then the input.

    Put together here by hand and not by the model's own placing.
    """
    ids = batch.input_ids[row][batch.attention_mask[row].bool()]
    prompt = model.front_end(batch.task_ids[row : row + 1])[0]
    embeds = torch.cat([prompt[0], model.backbone.embed(ids)]).unsqueeze(0)
    deeper = prompt[None, 1:] if len(prompt) > 1 else None
    return embeds, torch.ones(embeds.shape[:2], dtype=torch.int64), deeper
