"""Many sources become rounds of at most one frame per camera, oldest first.

A file waits for its reader and loses nothing; of a live source the newest frame wins, and what is
dropped is counted. Every source has a thread; one that fails or hangs does not hold up the others.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from stream.addresses import Source
from stream.errors import SourceError
from stream.frames import Frame, Round
from stream.packets import Rings
from stream.sources import Reader
from stream.stats import FrameCounts
from stream.trouble import Trouble

logger = logging.getLogger(__name__)

_AHEAD = 4  # decoded frames of a file that may wait; each is some MB
_LEAST_WINDOW, _MOST_WINDOW = 0.002, 0.1  # seconds a round waits for the other live cameras
_WINDOW_SHARE = 0.5  # ... in between: this part of the time that a round takes downstream
_ROUND_SECONDS = 0.06  # a live round takes no longer than this downstream, or frames grow old
_ACTIVE_SECONDS = 1.0  # a camera without a frame for so long is not waited for
_STALE_SECONDS = 0.5  # a live frame older than this is not worth scoring
_JOIN_SECONDS = 2.0  # a reader that hangs in the network is left behind
_HUNG_SECONDS = 45.0  # inside FFmpeg, beyond its own time limits: it will not come back
_CHECK_SECONDS = 1.0  # how often a round that waits looks for readers that hang


@dataclass(eq=False)
class _Feed:
    """What one reader thread has ready."""

    source: Source
    reader: Reader
    stop: threading.Event
    ready: deque[tuple[float, Frame]] = field(default_factory=deque)  # with the time of arrival
    arrived: float = 0.0  # monotonic seconds of the last frame
    served: float = 0.0  # ... when one was taken into a round
    ended: bool = False
    error: Exception | None = None

    @property
    def live(self) -> bool:
        return self.reader.live


class Rounds:
    """`rounds()` may be iterated once; `stop()` lets it end early and in order.

    Sources may be added and removed meanwhile, from any thread. With `stay` the rounds go on when
    no source is left, until `stop()`.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        counts: FrameCounts,
        stay: bool = False,
        rings: Rings | None = None,
        on_error: Callable[[str, Exception], None] | None = None,
    ) -> None:
        self._counts, self._on_error, self._stay = counts, on_error, stay
        self._rings = rings  # where packets are kept for clips
        self._change = threading.Condition()
        self._stop = threading.Event()
        self._feeds: list[_Feed] = []
        self._threads: list[threading.Thread] = []
        self._past: dict[str, Reader] = {}  # of removed sources, by camera
        self._window = _LEAST_WINDOW
        self._most: float = 1.0  # frames of a live round
        self._several = len(sources) > 1
        self._running = False
        self.failed: dict[str, Exception] = {}  # by camera
        for source in sources:
            self.add(source)

    def add(self, source: Source) -> None:
        """One more; a camera that was removed goes on with its clock and its frame numbers."""
        stop = threading.Event()
        with self._change:
            if any(feed.source.name == source.name and not feed.ended for feed in self._feeds):
                raise ValueError(f"there is a source {source.name!r} already")
            past = self._past.pop(source.name, None)
            if past is not None and source.live:
                reader = past.successor(source, stop)
            else:
                ring = None if self._rings is None else self._rings.of(source.name)
                reader = Reader(source, counts=self._counts, stop=stop, ring=ring)
            feed = _Feed(source, reader, stop)
            self._feeds.append(feed)
            if self._running:
                self._start(feed)

    def remove(self, camera: str) -> None:
        """Read no more of it; it ends in the next round, as a file does."""
        with self._change:
            for feed in self._feeds:
                if feed.source.name == camera and not feed.ended:
                    feed.stop.set()
                    feed.ended = True
                    self._counts.drop(camera, "stopped", len(feed.ready))
                    feed.ready.clear()
                    self._past[camera] = feed.reader
            self._change.notify_all()

    def stop(self) -> None:
        """No more frames; cameras end as at the end of a file."""
        self._stop.set()
        with self._change:
            for feed in self._feeds:
                feed.stop.set()
            self._change.notify_all()

    def rounds(self) -> Iterator[Round[Frame]]:
        """Raises the first source's error if none of the sources gave a frame."""
        with self._change:
            self._running = True
            for feed in self._feeds:
                self._start(feed)
        try:
            yield from self._rounds()
        finally:
            self.stop()
            until = time.monotonic() + _JOIN_SECONDS
            for thread in self._threads:
                thread.join(timeout=max(0.0, until - time.monotonic()))

    def _start(self, feed: _Feed) -> None:
        arguments = feed, feed.reader
        name = feed.source.name
        thread = threading.Thread(target=self._read, args=arguments, name=name, daemon=True)
        thread.start()
        self._threads = [other for other in self._threads if other.is_alive()] + [thread]

    def _replace_hung(self) -> None:
        """A call that never returns cannot be stopped: its thread is left, another one reads."""
        for feed in self._feeds:
            since = feed.reader.blocked_since
            if not feed.live or since is None or time.monotonic() - since < _HUNG_SECONDS:
                continue
            logger.warning("%s: hangs; it is opened anew", feed.source.shown)
            self._counts.lose(feed.source.name, Trouble.HUNG)
            feed.reader = feed.reader.successor()
            self._start(feed)

    def _rounds(self) -> Iterator[Round[Frame]]:
        anything = False
        while (self._feeds or self._stay) and not self._stop.is_set():
            frames, ended = self._take()
            for feed in ended:
                self._report(feed)
            if not frames and not ended:
                continue
            anything = anything or bool(frames)
            frames.sort(key=lambda frame: frame.wall_time)
            began = time.monotonic()
            yield Round(tuple(frames), tuple(feed.source.name for feed in ended))
            self._adapt(time.monotonic() - began, len(frames))
        if self._feeds:
            with self._change:
                ended = self._abandon()
            yield Round((), tuple(feed.source.name for feed in ended))
        if not anything and self.failed and not self._stop.is_set():
            raise next(iter(self.failed.values()))

    def _adapt(self, seconds: float, frames: int) -> None:
        """The busier what follows, the more it gains from a fuller round; yet a round that takes
        long makes all its frames old, so that it holds as many as pass in time."""
        window = min(max(_WINDOW_SHARE * seconds, _LEAST_WINDOW), _MOST_WINDOW)
        self._window += 0.2 * (window - self._window)
        if frames:
            fitting = frames * _ROUND_SECONDS / max(seconds, 1e-4)
            self._most += 0.2 * (min(max(fitting, 1.0), 2 * frames) - self._most)

    def _take(self) -> tuple[list[Frame], list[_Feed]]:
        """The next frame of every feed that has one, and the feeds that are over."""
        with self._change:
            self._replace_hung()
            while not self._change.wait_for(self._enough, timeout=_CHECK_SECONDS):
                self._replace_hung()
            if not any(not feed.live for feed in self._feeds):
                self._change.wait_for(self._complete, timeout=self._window)
            if self._stop.is_set():
                return [], []
            ended = [feed for feed in self._feeds if feed.ended and not feed.ready]
            frames = [self._pop(feed) for feed in self._turn()]
            self._feeds = [feed for feed in self._feeds if feed not in ended]
            self._change.notify_all()
        return [frame for frame in frames if frame is not None], ended

    def _enough(self) -> bool:
        """For a round: all files have a frame; without files, any camera has one."""
        if self._stop.is_set():
            return True
        files = [bool(feed.ready) or feed.ended for feed in self._feeds if not feed.live]
        some = [bool(feed.ready) or feed.ended for feed in self._feeds]
        return all(files) if files else any(some)

    def _complete(self) -> bool:
        """Every camera that is alive has a frame, or as many as fit into a round."""
        now = time.monotonic()
        if self._stop.is_set() or sum(bool(f.ready) for f in self._feeds) >= round(self._most):
            return True
        return all(
            feed.ready or feed.ended or now - feed.arrived > _ACTIVE_SECONDS for feed in self._feeds
        )

    def _turn(self) -> list[_Feed]:
        """Whose frames go into this round: all files, and the cameras that waited longest."""
        files = [feed for feed in self._feeds if feed.ready and not feed.live]
        live = sorted((f for f in self._feeds if f.ready and f.live), key=lambda f: f.served)
        return files + live[: max(1, round(self._most))]

    def _pop(self, feed: _Feed) -> Frame | None:
        arrived, frame = feed.ready.popleft()
        feed.served = time.monotonic()
        if feed.live and time.monotonic() - arrived > _STALE_SECONDS:
            self._counts.drop(frame.camera, "stale")
            return None
        return frame

    def _abandon(self) -> list[_Feed]:
        for feed in self._feeds:
            self._counts.drop(feed.source.name, "stopped", len(feed.ready))
            feed.ready.clear()
        ended, self._feeds = self._feeds, []
        return ended

    def _report(self, feed: _Feed) -> None:
        if feed.error is None:
            return
        self.failed[feed.source.name] = feed.error
        if self._on_error is not None:
            self._on_error(feed.source.name, feed.error)
        elif self._several:
            logger.error("%s", feed.error)

    def _read(self, feed: _Feed, reader: Reader) -> None:
        failure: Exception | None = None
        try:
            for frame in reader.frames():
                if not self._offer(feed, reader, frame):
                    break
        except SourceError as error:
            failure = error
        except Exception as error:
            logger.exception("%s: unexpected", feed.source.shown)
            failure = error
        with self._change:
            if feed.reader is reader:
                feed.error, feed.ended = failure, True
                self._change.notify_all()

    def _offer(self, feed: _Feed, reader: Reader, frame: Frame) -> bool:
        """False: nobody takes frames of this reader any more."""
        with self._change:
            if feed.reader is not reader:
                self._counts.drop(frame.camera, "abandoned")
                return False
            if feed.live:
                self._counts.drop(frame.camera, "overwritten", len(feed.ready))
                feed.ready.clear()
            else:
                self._change.wait_for(lambda: len(feed.ready) < _AHEAD or feed.stop.is_set())
            if feed.stop.is_set():
                self._counts.drop(frame.camera, "stopped")
                return False
            feed.arrived = time.monotonic()
            feed.ready.append((feed.arrived, frame))
            self._change.notify_all()
        return True
