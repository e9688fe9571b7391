"""Processes that share each training step: which examples fall to each, and how their sums meet.

Every process holds the same model and knows the same table of examples. Sums go through
`torch.distributed`, whose process group the caller has made; the environment is not read here.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed

from dpf_core.errors import ProcessError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Processes:
    """One process among those that train together; the first one writes and speaks for all.

    >>> Processes(rank=1, count=3).share(8)
    range(1, 8, 3)
    """

    rank: int
    """In [0, count)."""
    count: int

    @property
    def is_first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def share(self, num_items: int) -> range:
        """Return the positions of the items that fall to this process."""
        return range(self.rank, num_items, self.count)

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the processes, which gives all the same bits.

        Args:
            tensors: Of one dtype and device, and of the same shapes in every process.

        Raises:
            ProcessError: Another process has ended.
        """
        if self.count == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with self._meeting():
            distributed.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def measure(
        self, measured: Callable[[T], float], items: Sequence[T], device: torch.device
    ) -> list[float]:
        """Return a number for each item, of which each process measures its share.

        Args:
            measured: Gives the number of an item.
            items: The same in every process.
            device: Where the numbers meet.

        Raises:
            ProcessError: Another process has ended.
        """
        if self.count == 1:
            return [measured(item) for item in items]
        numbers = torch.zeros(len(items), dtype=torch.float64, device=device)
        for position in self.share(len(items)):
            numbers[position] = measured(items[position])
        self.sum_([numbers])
        return numbers.tolist()

    def barrier(self) -> None:
        """Return when every process has come here.

        Raises:
            ProcessError: Another process has ended.
        """
        if self.count > 1:
            with self._meeting():
                distributed.barrier()

    @contextmanager
    def _meeting(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise ProcessError(
                f"every process must take part until training ends, got {reason} (process "
                f"{self.rank} of {self.count}). Run again: training resumes at its last checkpoint."
            ) from error


SINGLE = Processes(rank=0, count=1)
"""A training of one process, which shares nothing and needs no process group."""
