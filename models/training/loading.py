"""What a training reads, made by other processes some steps ahead, in order."""

import sys
from collections.abc import Callable, Generator, Iterable
from typing import Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

Request = TypeVar("Request")
Made = TypeVar("Made")

# A forked process has the data set at once; elsewhere it is read by the one that trains.
_FORKS = sys.platform == "linux"
_AHEAD = 2  # of each process


class _Made(Dataset[Made], Generic[Request, Made]):
    def __init__(self, make: Callable[[Request], Made]) -> None:
        self._make = make

    def __getitem__(self, request: Request) -> Made:
        return self._make(request)


def load_ahead(
    make: Callable[[Request], Made], requests: Iterable[Request]
) -> Generator[Made, None, None]:
    """What `make` gives for each request; its errors come at their request.

    As many processes as torch has threads.
    """
    workers = torch.get_num_threads() if _FORKS else 0
    yield from DataLoader(
        _Made(make),
        batch_size=None,
        sampler=requests,
        collate_fn=_as_it_is,
        num_workers=workers,
        prefetch_factor=_AHEAD if workers else None,
        multiprocessing_context="fork" if workers else None,
    )


def _as_it_is(made: Made) -> Made:
    return made
