"""Examples made by threads, some steps ahead of the one that trains on them, in order."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Request = TypeVar("Request")
Made = TypeVar("Made")

_THREADS = min(8, os.cpu_count() or 1)  # decoding and resizing pictures let go of Python's lock
_AHEAD = 2  # batches


def load_ahead(
    make: Callable[[Request], Made], batches: Iterable[Sequence[Request]]
) -> Generator[list[Made], None, None]:
    """What `make` gives for each request of each batch; its errors come at their batch."""
    waiting: deque[list[Future[Made]]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for batch in batches:
                waiting.append([pool.submit(make, request) for request in batch])
                if len(waiting) > _AHEAD:
                    yield [future.result() for future in waiting.popleft()]
            while waiting:
                yield [future.result() for future in waiting.popleft()]
        finally:
            pool.shutdown(cancel_futures=True)
