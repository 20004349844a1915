"""Numbers of a run: what became of every frame, and which stage the others wait for."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


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

    def of_camera(self, camera: str) -> dict[str, int]:
        """Frames of one camera by fate."""
        with self._lock:
            fates = {"decoded": self._decoded[camera], "scored": self._scored[camera]}
            for kind, counter in (("gated", self._gated), ("dropped", self._dropped)):
                for (name, reason), frames in counter.items():
                    if name == camera:
                        fates[f"{kind} {reason}"] = frames
            return fates


@dataclass
class Link:
    """The queue behind a stage."""

    name: str  # of the stage that fills it
    items: int = 0
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
