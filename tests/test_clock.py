import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.clock import MediaClock, WallClock

INTERVAL = 0.04

timestamps = st.lists(
    st.none()
    | st.floats(-1e6, 1e6)
    | st.integers(0, 200).map(lambda n: n * INTERVAL)
    | st.sampled_from([0.0, 3600.0, -3600.0, 2**33 / 90_000])
)


@given(timestamps)
def test_time_grows_strictly_and_epochs_never_fall(pts: list[float | None]) -> None:
    clock = MediaClock()
    ticks = [clock.tick(value, INTERVAL) for value in pts]
    for (before, epoch_before), (after, epoch_after) in pairwise(ticks):
        assert after > before
        assert epoch_before <= epoch_after <= epoch_before + 1
    assert all(math.isfinite(media) for media, _ in ticks)


@given(st.integers(2, 60), st.integers(1, 59), st.floats(-1e5, 1e5))
def test_a_jump_costs_at_most_one_interval(frames: int, at: int, jump: float) -> None:
    pts = [n * INTERVAL + (jump if n >= at else 0.0) for n in range(frames)]
    if 0 < abs(jump) <= 11.0:
        return  # a pause or jitter, not a break
    clock = MediaClock()
    media = [clock.tick(value, INTERVAL)[0] for value in pts]
    assert abs(media[-1] - (frames - 1) * INTERVAL) <= INTERVAL + 1e-6


@given(st.integers(1, 50).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_missing_timestamps_are_filled_in(case: tuple[int, set[int]]) -> None:
    frames, missing = case
    clock = MediaClock()
    for n in range(frames):
        media, epoch = clock.tick(None if n in missing else n * INTERVAL + 7, INTERVAL)
        assert abs(media - n * INTERVAL) <= 1e-6
        assert epoch == 0


def test_a_file_that_starts_anywhere_starts_at_zero() -> None:
    assert MediaClock().tick(1234.5, INTERVAL) == (0.0, 0)


def test_repeated_timestamps_do_not_add_up() -> None:
    clock = MediaClock()
    for n in range(100):
        clock.tick(n * INTERVAL, INTERVAL)
        clock.tick(n * INTERVAL, INTERVAL)
    media, epoch = clock.tick(100 * INTERVAL, INTERVAL)
    assert abs(media - 100 * INTERVAL) < 1e-9
    assert epoch == 0


def test_a_reconnect_keeps_the_gap_and_starts_an_epoch() -> None:
    clock = MediaClock()
    clock.tick(100.0, INTERVAL)
    clock.tick(100.04, INTERVAL)
    clock.restart(30.0)
    media, epoch = clock.tick(0.0, INTERVAL)
    assert abs(media - 30.04) < 1e-9
    assert epoch == 1
    assert abs(clock.tick(0.04, INTERVAL)[0] - 30.08) < 1e-9


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def wall_times(
    frames: int, *, ahead: float | None, speed: float = 1.0
) -> tuple[WallClock, list[datetime], list[datetime]]:
    """A clock, what it told and when frames arrived: 25 a second, each 0.1 s after it was sent."""
    clock, told, arrivals = WallClock(), [], []
    for n in range(frames):
        taken = NOON + timedelta(seconds=n * INTERVAL)
        arrival = taken + timedelta(seconds=0.1)
        sent = None if ahead is None else taken + timedelta(seconds=ahead)
        told.append(clock.tell(media=n * INTERVAL * speed, epoch=0, arrival=arrival, sent=sent))
        arrivals.append(arrival)
    return clock, told, arrivals


def test_the_cameras_own_time_is_taken_where_it_can_be_right() -> None:
    clock, told, arrivals = wall_times(50, ahead=0.0)
    assert told[7] == NOON + timedelta(seconds=7 * INTERVAL)
    assert clock.offset == pytest.approx(-0.1)
    assert wall_times(50, ahead=None)[1] == arrivals


@pytest.mark.parametrize("ahead", [3600.0, -3600.0, -56 * 365 * 86_400.0])
def test_a_camera_whose_clock_is_wrong_is_not_believed(ahead: float) -> None:
    clock, told, arrivals = wall_times(50, ahead=ahead)
    assert told == arrivals
    assert clock.offset == pytest.approx(ahead - 0.1)


def test_drift_is_what_the_media_clock_gains_on_ours() -> None:
    clock, _, _ = wall_times(1000, ahead=None, speed=1.01)
    assert clock.drift == pytest.approx(0.01 * (1000 * INTERVAL - 1), abs=0.02)


@given(st.lists(st.tuples(st.floats(-0.5, 2), st.none() | st.floats(-10, 10)), max_size=50))
def test_wall_time_stands_still_rather_than_going_back(
    steps: list[tuple[float, float | None]],
) -> None:
    clock, arrival, told = WallClock(), NOON, []
    for n, (step, ahead) in enumerate(steps):
        arrival += timedelta(seconds=step)
        sent = None if ahead is None else arrival + timedelta(seconds=ahead)
        told.append(clock.tell(media=n * INTERVAL, epoch=0, arrival=arrival, sent=sent))
    assert told == sorted(told)


def test_a_timestamp_that_wraps_costs_at_most_one_interval() -> None:
    wrap, clock = 2**33 / 90_000, MediaClock()
    media = [clock.tick((wrap - 1 + n * INTERVAL) % wrap, INTERVAL) for n in range(100)]
    assert media[-1][0] == pytest.approx(99 * INTERVAL, abs=INTERVAL)
    assert {epoch for _, epoch in media} == {0, 1}
