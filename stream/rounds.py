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
from stream.sources import Reader
from stream.stats import FrameCounts
from stream.trouble import Trouble

logger = logging.getLogger(__name__)

_AHEAD = 4  # decoded frames of a file that may wait; each is some MB
_WINDOW_SECONDS = 0.02  # a round waits so long for the other live cameras
_STALE_SECONDS = 0.5  # a live frame older than this is not worth scoring
_JOIN_SECONDS = 2.0  # a reader that hangs in the network is left behind
_HUNG_SECONDS = 45.0  # inside FFmpeg, beyond its own time limits: it will not come back
_CHECK_SECONDS = 1.0  # how often a round that waits looks for readers that hang


@dataclass
class _Feed:
    """What one reader thread has ready."""

    source: Source
    reader: Reader
    ready: deque[tuple[float, Frame]] = field(default_factory=deque)  # with the time of arrival
    ended: bool = False
    error: Exception | None = None


class Rounds:
    """`rounds()` may be iterated once; `stop()` lets it end early and in order."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        counts: FrameCounts,
        max_fps: float | None = None,
        on_error: Callable[[str, Exception], None] | None = None,
    ) -> None:
        self._counts, self._on_error = counts, on_error
        self._change = threading.Condition()
        self._stop = threading.Event()
        self._feeds = [
            _Feed(source, Reader(source, counts=counts, max_fps=max_fps, stop=self._stop))
            for source in sources
        ]
        self.failed: dict[str, Exception] = {}  # by camera

    def stop(self) -> None:
        """No more frames; cameras end as at the end of a file."""
        self._stop.set()
        with self._change:
            self._change.notify_all()

    def rounds(self) -> Iterator[Round[Frame]]:
        """Raises the first source's error if none of the sources gave a frame."""
        threads = [self._start(feed) for feed in self._feeds]
        try:
            yield from self._rounds()
        finally:
            self.stop()
            until = time.monotonic() + _JOIN_SECONDS
            for thread in threads:
                thread.join(timeout=max(0.0, until - time.monotonic()))

    def _start(self, feed: _Feed) -> threading.Thread:
        arguments = feed, feed.reader
        name = feed.source.name
        thread = threading.Thread(target=self._read, args=arguments, name=name, daemon=True)
        thread.start()
        return thread

    def _replace_hung(self, feeds: Sequence[_Feed]) -> None:
        """A call that never returns cannot be stopped: its thread is left, another one reads."""
        for feed in feeds:
            since = feed.reader.blocked_since
            if not feed.source.live or since is None or time.monotonic() - since < _HUNG_SECONDS:
                continue
            logger.warning("%s: hangs; it is opened anew", feed.source.shown)
            self._counts.lose(feed.source.name, Trouble.HUNG)
            feed.reader = feed.reader.successor()
            self._start(feed)

    def _rounds(self) -> Iterator[Round[Frame]]:
        open_feeds = list(self._feeds)
        anything = False
        while open_feeds:
            frames, ended = self._take(open_feeds)
            open_feeds = [feed for feed in open_feeds if feed not in ended]
            for feed in ended:
                self._report(feed)
            if frames or ended:
                anything = anything or bool(frames)
                frames.sort(key=lambda frame: frame.wall_time)
                yield Round(tuple(frames), tuple(feed.source.name for feed in ended))
        if not anything and self.failed:
            raise next(iter(self.failed.values()))

    def _take(self, feeds: list[_Feed]) -> tuple[list[Frame], list[_Feed]]:
        """The next frame of every feed that has one, and the feeds that are over."""
        files = [feed for feed in feeds if not feed.source.live]

        def enough() -> bool:
            if self._stop.is_set():
                return True
            waited_for = files or feeds
            some = [bool(feed.ready) or feed.ended for feed in waited_for]
            return all(some) if files else any(some)

        with self._change:
            self._replace_hung(feeds)
            while not self._change.wait_for(enough, timeout=_CHECK_SECONDS):
                self._replace_hung(feeds)
            if not files:
                self._change.wait_for(
                    lambda: self._stop.is_set() or all(f.ready or f.ended for f in feeds),
                    timeout=_WINDOW_SECONDS,
                )
            if self._stop.is_set():
                return [], self._abandon(feeds)
            ended = [feed for feed in feeds if feed.ended and not feed.ready]
            frames = [self._pop(feed) for feed in feeds if feed.ready]
            self._change.notify_all()
        return [frame for frame in frames if frame is not None], ended

    def _pop(self, feed: _Feed) -> Frame | None:
        arrived, frame = feed.ready.popleft()
        if feed.source.live and time.monotonic() - arrived > _STALE_SECONDS:
            self._counts.drop(frame.camera, "stale")
            return None
        return frame

    def _abandon(self, feeds: list[_Feed]) -> list[_Feed]:
        for feed in feeds:
            self._counts.drop(feed.source.name, "stopped", len(feed.ready))
            feed.ready.clear()
        return feeds

    def _report(self, feed: _Feed) -> None:
        if feed.error is None:
            return
        self.failed[feed.source.name] = feed.error
        if self._on_error is not None:
            self._on_error(feed.source.name, feed.error)
        elif len(self._feeds) > 1:
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
            if feed.source.live:
                self._counts.drop(frame.camera, "overwritten", len(feed.ready))
                feed.ready.clear()
            else:
                self._change.wait_for(lambda: len(feed.ready) < _AHEAD or self._stop.is_set())
            if self._stop.is_set():
                self._counts.drop(frame.camera, "stopped")
                return False
            feed.ready.append((time.monotonic(), frame))
            self._change.notify_all()
        return True
