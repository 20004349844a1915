import itertools
import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from stream.flow import flow
from stream.stats import Link, bottleneck, busy_seconds


class Numbers:
    """An endless source that can fail, and remembers that it was closed."""

    def __init__(self, end: int | None = None, fail_at: int | None = None) -> None:
        self.end = end
        self.fail_at = fail_at
        self.made = 0
        self.closed = False

    def __call__(self) -> Iterator[int]:
        try:
            for number in itertools.count():
                if number == self.fail_at:
                    raise OSError("camera gone")
                if number == self.end:
                    return
                self.made += 1
                yield number
        finally:
            self.closed = True


def double(numbers: Iterable[int]) -> Iterator[int]:
    for number in numbers:
        yield 2 * number


def fail_on_ten(numbers: Iterable[int]) -> Iterator[int]:
    for number in numbers:
        if number == 10:
            raise ValueError("ten")
        yield number


def in_threes(numbers: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(numbers)
    while batch := list(itertools.islice(rest, 3)):
        yield batch


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_order_is_kept_and_the_last_partial_batch_is_flushed() -> None:
    with flow(Numbers(end=5)(), double, in_threes, ahead=2) as batches:
        assert list(batches) == [[0, 2, 4], [6, 8]]


def test_a_source_error_comes_after_the_items_before_it() -> None:
    seen = []
    with pytest.raises(OSError, match="camera gone") as raised:  # noqa: SIM117
        with flow(Numbers(fail_at=4)(), double, ahead=2) as numbers:
            for number in numbers:
                seen.append(number)
    assert seen == [0, 2, 4, 6]
    assert raised.value.__notes__ == ["stage: source", "stage: double"]


def test_a_middle_error_closes_the_source() -> None:
    source = Numbers()
    with pytest.raises(ValueError, match="ten"), flow(source(), fail_on_ten, ahead=2) as numbers:
        list(numbers)
    assert source.closed


def test_a_reader_error_frees_threads_blocked_on_full_queues() -> None:
    source = Numbers()
    with pytest.raises(KeyError), flow(source(), double, in_threes, ahead=2) as batches:
        next(batches)
        time.sleep(0.2)
        raise KeyError
    assert source.closed


def test_no_more_than_ahead_is_made() -> None:
    source = Numbers()
    with flow(source(), ahead=4) as numbers:
        next(numbers)
        time.sleep(0.2)
        assert source.made <= 6


def slow(numbers: Iterable[int]) -> Iterator[int]:
    for number in numbers:
        time.sleep(0.01)
        yield number


def test_the_stage_that_others_wait_for_is_named() -> None:
    links: list[Link] = []
    with flow(Numbers(end=30)(), double, slow, double, ahead=2, links=links) as numbers:
        assert len(list(numbers)) == 30
    assert [link.items for link in links] == [30, 30, 30, 30]
    assert bottleneck(links) == "slow"
    assert busy_seconds(links)["slow"] >= 0.29
    assert busy_seconds(links)["source"] < 0.1
