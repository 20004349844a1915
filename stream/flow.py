"""A pipeline is a chain of generators, each run by a thread of its own.

Items and errors travel down the chain in order; only "stop" travels up.
A stage is any function from an iterable to an iterator: it knows no thread and no queue.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from queue import Full, Queue
from threading import Semaphore
from typing import Any, TypeVar

from stream.stats import Link

T = TypeVar("T")
Stage = Callable[[Iterable[Any]], Iterator[Any]]

_END = object()
_POLL_SECONDS = 0.05  # how soon a thread blocked on a full queue notices a stop


@contextmanager
def flow(
    source: Iterable[Any],
    *stages: Stage,
    ahead: int,
    on_demand: bool = False,
    links: list[Link] | None = None,
) -> Iterator[Iterator[Any]]:
    """Chain `stages` after `source`; each may run `ahead` items before its reader.

    With `on_demand` the source makes an item only when the first stage is ready for it: what is
    live must not grow old in a queue. `links` is filled with the numbers of every queue, in order.
    """
    numbers = [Link("source"), *(Link(stage.__name__) for stage in stages)]
    if links is not None:
        links.extend(numbers)
    with ExitStack() as open_links:
        items = open_links.enter_context(
            closing(_threaded(source, ahead, numbers[0], on_demand=on_demand))
        )
        for stage, link in zip(stages, numbers[1:], strict=True):
            items = open_links.enter_context(closing(_threaded(stage(items), ahead, link)))
        yield items


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one of what is left; an error comes after the items before.

    It waits for a list to be full: not for what is live.
    """
    batch: list[T] = []
    try:
        for item in items:
            batch.append(item)
            if len(batch) == size:
                yield batch
                batch = []
    except Exception:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _threaded(
    items: Iterable[Any], ahead: int, link: Link, *, on_demand: bool = False
) -> Generator[Any, None, None]:
    """Yield `items` as made by a thread; raise its error in its place in the order."""
    queue: Queue[Any] = Queue(maxsize=ahead)
    stop, demand = threading.Event(), Semaphore(0)
    failure: list[BaseException] = []

    def work() -> None:
        try:
            iterator = iter(items)
            while not on_demand or _asked(demand, stop, link):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
                if not _put(queue, item, stop, link):
                    return
                link.items += 1
                link.waiting = queue.qsize()
        except BaseException as error:
            error.add_note(f"stage: {link.name}")
            failure.append(error)
        finally:
            if isinstance(items, Generator):
                items.close()
            link.touch(ended=True)
            _put(queue, _END, stop, link)

    thread = threading.Thread(target=work, name=link.name)
    thread.start()
    try:
        demand.release()
        while (item := _get(queue, link)) is not _END:
            yield item
            demand.release()
        if failure:
            raise failure[0]
    finally:
        stop.set()
        thread.join()


def _asked(demand: Semaphore, stop: threading.Event, link: Link) -> bool:
    """Wait until the reader wants an item; False: it never will."""
    began = time.monotonic()
    while not stop.is_set():
        if demand.acquire(timeout=_POLL_SECONDS):
            link.put_seconds += time.monotonic() - began
            return True
    return False


def _put(queue: Queue[Any], item: Any, stop: threading.Event, link: Link) -> bool:
    """False: nobody reads any more."""
    began = time.monotonic()
    try:
        while not stop.is_set():
            try:
                queue.put(item, timeout=_POLL_SECONDS)
            except Full:
                continue
            return True
        return False
    finally:
        if not link.ended:
            link.put_seconds += time.monotonic() - began
            link.touch()


def _get(queue: Queue[Any], link: Link) -> Any:
    began = time.monotonic()
    item = queue.get()
    link.waiting = queue.qsize()
    link.get_seconds += time.monotonic() - began
    return item
