"""What a training reads, made by other processes some steps ahead, in order."""

import os
import sys
from collections.abc import Callable, Generator, Iterable
from typing import Generic, TypeVar

from torch.utils.data import DataLoader, Dataset

Request = TypeVar("Request")
Made = TypeVar("Made")

# A forked process has the data set at once; elsewhere it is read by the one that trains.
_WORKERS = min(16, os.cpu_count() or 1) if sys.platform == "linux" else 0
_AHEAD = 2  # of each process


class _Made(Dataset[Made], Generic[Request, Made]):
    def __init__(self, make: Callable[[Request], Made]) -> None:
        self._make = make

    def __getitem__(self, request: Request) -> Made:
        return self._make(request)


def load_ahead(
    make: Callable[[Request], Made], requests: Iterable[Request]
) -> Generator[Made, None, None]:
    """What `make` gives for each request; its errors come at their request."""
    yield from DataLoader(
        _Made(make),
        batch_size=None,
        sampler=requests,
        collate_fn=_as_it_is,
        num_workers=_WORKERS,
        prefetch_factor=_AHEAD if _WORKERS else None,
        multiprocessing_context="fork" if _WORKERS else None,
    )


def _as_it_is(made: Made) -> Made:
    return made
