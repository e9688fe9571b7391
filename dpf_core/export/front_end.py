"""The modules that are exported: task ids to fused prompts, and tokens to the backbone's input.

An id that no table holds must end in an error of the runtime, never in another task's prompt.
"""

import torch
from torch import Tensor, nn

from dpf_core.backbone.prompt_placement import place_prompt
from dpf_core.baselines import SharedPrompt
from dpf_core.front_end import AnyFrontEnd


class FusedPrompt(nn.Module):
    """Fused prompts by task id, equations 1 to 4, computed from the trained tensors.

    Args:
        front_end: The trained one.
        num_tasks: T.
    """

    def __init__(self, front_end: AnyFrontEnd, num_tasks: int) -> None:
        super().__init__()
        self.num_tasks = num_tasks
        self.front_end: nn.Module = front_end
        if isinstance(front_end, SharedPrompt):
            self.front_end = _SharedRows(front_end, num_tasks)

    def forward(self, task_id: Tensor) -> Tensor:
        """Return [B, D, P, H] for task ids [B]."""
        fused: Tensor = self.front_end(refuse_negative(task_id, self.num_tasks))
        return fused


class PromptedInput(nn.Module):
    """What the backbone reads: the first fused prompt beside the embedded tokens, equation 5.

    Args:
        fused_prompt: Makes the prompts.
        word_embeddings: [V, H], the frozen backbone's.
    """

    word_embeddings: Tensor

    def __init__(self, fused_prompt: FusedPrompt, word_embeddings: Tensor) -> None:
        super().__init__()
        self.fused_prompt = fused_prompt
        self.register_buffer("word_embeddings", word_embeddings.detach().float())

    def forward(
        self, task_id: Tensor, input_ids: Tensor, attention_mask: Tensor
    ) -> tuple[Tensor, ...]:
        """Return inputs_embeds [B, P + S, H] and its mask; for D > 1 also [B, D-1, P, H].

        Args:
            task_id: [B] int64.
            input_ids: [B, S] int64.
            attention_mask: [B, S] int64, 1 on real tokens; padding on either side.
        """
        prompts = self.fused_prompt(task_id)
        known = refuse_negative(input_ids, self.word_embeddings.shape[0])
        embeds = nn.functional.embedding(known, self.word_embeddings)
        joined = place_prompt(prompts[:, 0], embeds, attention_mask)
        return joined if prompts.shape[1] == 1 else (*joined, prompts[:, 1:])


def refuse_negative(ids: Tensor, count: int) -> Tensor:
    """Return ids with each negative one replaced by `count`, which a table of that length lacks.

    ONNX counts negative indices from the end, so -1 would silently be the last task or token. An
    index that is too large is an error in ONNX Runtime's CPU provider; other providers may read
    zeros there, which is why `Session.run` checks task ids itself.
    """
    return torch.where(ids < 0, count, ids)


class _SharedRows(nn.Module):
    """The shared prompt behind a table of row numbers, so that it too refuses an unknown id."""

    row: Tensor

    def __init__(self, shared: SharedPrompt, num_tasks: int) -> None:
        super().__init__()
        self.shared = shared
        self.register_buffer("row", torch.zeros(num_tasks, dtype=torch.int64))

    def forward(self, task_ids: Tensor) -> Tensor:
        return self.shared.prompt.unsqueeze(0)[self.row[task_ids]]
