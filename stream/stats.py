"""Numbers of a run: what became of every frame, and which stage the others wait for."""

import threading
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np


class FrameCounts:
    """Fates of frames by camera: decoded = scored + gated + dropped + still on their way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._decoded: Counter[str] = Counter()
        self._scored: Counter[str] = Counter()
        self._gated: Counter[tuple[str, str]] = Counter()
        self._dropped: Counter[tuple[str, str]] = Counter()
        self._lost: Counter[tuple[str, str]] = Counter()
        self._arrived: dict[str, float] = {}  # monotonic seconds of a camera's last frame
        self._clocks: dict[str, tuple[float | None, float | None]] = {}

    def decode(self, camera: str) -> None:
        with self._lock:
            self._decoded[camera] += 1
            self._arrived[camera] = time.monotonic()

    def score(self, camera: str) -> None:
        with self._lock:
            self._scored[camera] += 1

    def gate(self, camera: str, reason: str) -> None:
        with self._lock:
            self._gated[camera, reason] += 1

    def drop(self, camera: str, reason: str, frames: int = 1) -> None:
        with self._lock:
            self._dropped[camera, reason] += frames

    def lose(self, camera: str, trouble: str) -> None:
        """A live source gave up giving frames, or did not begin to."""
        with self._lock:
            self._lost[camera, trouble] += 1

    def clock(self, camera: str, *, offset: float | None, drift: float | None) -> None:
        """How a live camera's clock goes, in seconds (`WallClock`)."""
        with self._lock:
            self._clocks[camera] = offset, drift

    @property
    def clocks(self) -> dict[str, tuple[float | None, float | None]]:
        """Offset and drift of each live camera's clock, seconds; None: not known."""
        with self._lock:
            return dict(self._clocks)

    @property
    def lost(self) -> dict[tuple[str, str], int]:
        """How often each camera was lost, by (camera, class of trouble)."""
        with self._lock:
            return dict(self._lost)

    def ages(self) -> dict[str, float]:
        """Seconds since each camera's last frame."""
        with self._lock:
            now = time.monotonic()
            return {camera: now - seconds for camera, seconds in self._arrived.items()}

    @property
    def decoded(self) -> int:
        with self._lock:
            return self._decoded.total()

    @property
    def scored(self) -> int:
        with self._lock:
            return self._scored.total()

    @property
    def gated(self) -> dict[str, int]:
        """By reason."""
        with self._lock:
            return _by_reason(self._gated)

    @property
    def dropped(self) -> dict[str, int]:
        """By reason."""
        with self._lock:
            return _by_reason(self._dropped)

    def fates(self) -> dict[tuple[str, str], int]:
        """Frames by camera and fate: `decoded`, `scored`, `gated no_human`, `dropped stale`, ..."""
        with self._lock:
            counted = {(camera, "decoded"): n for camera, n in self._decoded.items()}
            counted |= {(camera, "scored"): n for camera, n in self._scored.items()}
            counted |= {(camera, f"gated {why}"): n for (camera, why), n in self._gated.items()}
            counted |= {(camera, f"dropped {why}"): n for (camera, why), n in self._dropped.items()}
            return {key: frames for key, frames in counted.items() if frames}


@dataclass
class Timing:
    """Calls of a model; items / calls is how full its batches are."""

    calls: int = 0
    items: int = 0
    seconds: float = 0.0

    def add(self, seconds: float, items: int) -> None:
        self.calls += 1
        self.items += items
        self.seconds += seconds


class Latency:
    """Seconds from when something was seen to when it was told: a histogram, and the newest."""

    BOUNDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, float("inf"))

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets = [0] * len(self.BOUNDS)
        self._sum = 0.0
        self._newest: deque[float] = deque(maxlen=10_000)

    def add(self, seconds: float) -> None:
        with self._lock:
            self._buckets[bisect_left(self.BOUNDS, seconds)] += 1
            self._sum += seconds
            self._newest.append(seconds)

    def histogram(self) -> tuple[list[tuple[float, int]], float]:
        """(Upper bound, how many up to it) rising, and the sum of all."""
        with self._lock:
            return list(zip(self.BOUNDS, accumulate(self._buckets), strict=True)), self._sum

    def percentiles(self, *wanted: float) -> list[float]:
        """Of the newest ten thousand; nan where there are none."""
        with self._lock:
            newest = list(self._newest)
        return [float(v) for v in np.percentile(newest or [np.nan], wanted)]


@dataclass
class Link:
    """The queue behind a stage."""

    name: str  # of the stage that fills it
    items: int = 0
    waiting: int = 0  # in the queue just now
    put_seconds: float = 0.0  # the stage waited for room; close to 0: the reader is the faster one
    get_seconds: float = 0.0  # the reader waited for items; close to 0: the stage is the faster one
    seconds: float = 0.0  # from the stage's start to its end, or until now
    started: float = field(default_factory=time.monotonic)
    ended: bool = False

    def touch(self, *, ended: bool = False) -> None:
        self.seconds = time.monotonic() - self.started
        self.ended = ended


def busy_seconds(links: Sequence[Link]) -> dict[str, float]:
    """Per stage the time it waited for nobody; the reader of the last link is "output"."""
    busy = {}
    before = None
    for link in links:
        waited = link.put_seconds + (before.get_seconds if before is not None else 0.0)
        busy[link.name] = max(0.0, link.seconds - waited)
        before = link
    if before is not None:
        busy["output"] = max(0.0, before.seconds - before.get_seconds)
    return busy


def bottleneck(links: Sequence[Link]) -> str:
    """The stage that worked while the others waited."""
    busy = busy_seconds(links)
    return max(busy, key=lambda name: busy[name]) if busy else ""


def _by_reason(counter: Counter[tuple[str, str]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for (_, reason), frames in counter.items():
        total[reason] += frames
    return dict(total)
