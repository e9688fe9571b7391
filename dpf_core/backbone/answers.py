"""Candidate answers as tokens, and the likelihood that a language model gives each of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Answers:
    """The candidate answers of a batch, padded to the most and the longest."""

    token_ids: Tensor
    """[B, O, L] int64, zero where there is no token."""
    mask: Tensor
    """[B, O, L] bool, true on tokens; all false where an example has fewer candidates."""

    def to(self, device: torch.device) -> "Answers":
        """Return the answers on a device."""
        return Answers(self.token_ids.to(device), self.mask.to(device))


def collate_answers(rows: Sequence[Sequence[Sequence[int]]]) -> Answers:
    """Return the answers of a batch: for each example its candidates, each a list of token ids.

    >>> collate_answers([[[5], [6, 7]], [[8]]]).mask.sum(dim=-1).tolist()
    [[1, 2], [1, 0]]
    """
    most = max(len(candidates) for candidates in rows)
    longest = max(len(ids) for candidates in rows for ids in candidates)
    token_ids = torch.zeros(len(rows), most, longest, dtype=torch.int64)
    mask = torch.zeros(len(rows), most, longest, dtype=torch.bool)
    for i, candidates in enumerate(rows):
        for j, ids in enumerate(candidates):
            token_ids[i, j, : len(ids)] = torch.tensor(ids)
            mask[i, j, : len(ids)] = True
    return Answers(token_ids, mask)


def mean_log_likelihood(token_logits: Tensor, answers: Answers) -> Tensor:
    """Return each candidate's log-likelihood divided by its number of tokens.

    Args:
        token_logits: [N, V], the logits that predict each real token of `answers`, in the order of
            `answers.mask.nonzero()`.
        answers: N real tokens in all.

    Returns:
        [B, O] float32, `-inf` where an example has no such candidate.
    """
    targets = answers.token_ids[answers.mask]
    log_likelihood = -torch.nn.functional.cross_entropy(
        token_logits.float(), targets, reduction="none"
    )
    by_token = torch.zeros(
        answers.mask.shape, dtype=log_likelihood.dtype, device=log_likelihood.device
    ).masked_scatter(answers.mask, log_likelihood)  # [B, O, L]
    lengths = answers.mask.sum(dim=-1)
    mean = by_token.sum(dim=-1) / lengths.clamp(min=1)
    return mean.masked_fill(lengths == 0, float("-inf"))
