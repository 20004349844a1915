"""The processes that `torchrun` started for one training, as it needs them: who am I, sums, waits.

A CMMP learns about a hundredth of its weights: one sum of one flat vector after the backward pass
costs less than hooks on every weight, and does not mind weights that a batch leaves unused.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist

T = TypeVar("T")
_PATIENCE = timedelta(hours=24)  # one rank detects on all images while the others wait


@dataclass(frozen=True)
class Ranks:
    """This process among `count`; alone it is the first of one."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, rows: Sequence[T]) -> Sequence[T]:
        """Mine of the rows that all are given."""
        return rows[self.rank :: self.count]

    def mean(self, values: Tensor) -> Tensor:
        """Of all ranks' values, on every rank."""
        if self.count == 1:
            return values
        total = values.detach().clone()
        dist.all_reduce(total)
        return total / self.count

    def union(self, reasons: Mapping[str, str]) -> dict[str, str]:
        """All ranks' entries, on every rank."""
        if self.count == 1:
            return dict(reasons)
        every: list[Mapping[str, str]] = [{}] * self.count
        dist.all_gather_object(every, dict(reasons))
        return {key: reason for each in every for key, reason in each.items()}

    def average_gradients(self, weights: Sequence[nn.Parameter]) -> None:
        """Every rank gets the mean; a weight that a rank's batch did not use counts as zero."""
        for weight in weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        if self.count == 1:
            return
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def follow_first(self, values: Iterable[Tensor]) -> None:
        """The first rank's values are everyone's."""
        if self.count > 1:
            for value in values:
                dist.broadcast(value, 0)

    def wait(self) -> None:
        """Until all have come here."""
        if self.count > 1:
            dist.barrier()


def _take_share_of_processors() -> None:
    """Of those of this machine, where `torchrun` gave each of its processes a single one.

    It sets OMP_NUM_THREADS to 1 unless the user did, and pictures are read by as many processes as
    torch has threads.
    """
    local, threads = (os.environ.get(n) for n in ("LOCAL_WORLD_SIZE", "OMP_NUM_THREADS"))
    if local is not None and threads == "1" and hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // int(local)))


@contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """What `torchrun` set up in the environment, or one process alone."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks()
        return
    _take_share_of_processors()
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if cuda else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
