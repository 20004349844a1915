"""Video in: files, network streams and local cameras become frames on one media clock each.

The only file that knows timestamps and containers. A file is read once, to its end; a live source
is opened again, with back-off, for as long as nobody says stop.
"""

import copy
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av

from stream.addresses import Source, name_of
from stream.clock import MediaClock, WallClock
from stream.containers import (
    creation_time,
    is_recording,
    one_line_errors,
    open_video,
    reason_of,
    sender_offset,
    to_rgb,
)
from stream.errors import SourceError
from stream.frames import Frame
from stream.packets import PacketRing
from stream.stats import FrameCounts
from stream.trouble import BackOff, Trouble

logger = logging.getLogger(__name__)

_NO_PICTURE_SECONDS = 10.0  # data comes from a live source, and no picture is made of it


def count_frames(source: Source) -> int | None:
    """How many frames a file says it has; None: unknown, or it cannot be opened."""
    if source.live:
        return None
    try:
        with one_line_errors(source), open_video(source) as container:
            stream = container.streams.video[0]
            seconds = (container.duration or 0) / av.time_base
            rate = float(stream.average_rate or 0)
            return int(stream.frames) or round(seconds * rate) or None
    except SourceError:
        return None


def read_file(
    path: Path, *, camera: str | None = None, counts: FrameCounts | None = None
) -> Iterator[Frame]:
    """Every frame of a video file, in order."""
    return Reader(Source(camera or name_of(str(path)), str(path), False), counts=counts).frames()


class Reader:
    """Reads one source: owns its container, its clock and its frame numbers."""

    def __init__(
        self,
        source: Source,
        *,
        counts: FrameCounts | None = None,
        stop: threading.Event | None = None,
        ring: PacketRing | None = None,
    ) -> None:
        self.source = source
        self._ring = ring  # keeps what is read as it is encoded, for clips
        self.live = source.live  # until a web address turns out to be a recording
        self.blocked_since: float | None = None  # monotonic seconds; it is inside FFmpeg since then
        self._counts = counts or FrameCounts()
        self._pause = 1 / source.reading.fps if source.reading.fps else 0.0
        self._stop = stop or threading.Event()
        # Live epochs begin at the time of day: the tracks of two runs are not the same ones.
        self._clock = MediaClock(epoch=int(time.time()) if source.live else 0)
        self._wall = WallClock()
        self._sender: float | None = None  # seconds from timestamps to the camera's wall time
        self._index = 0
        self._due = 0.0  # media time from which the next frame is wanted
        self._size: tuple[int, int] | None = None
        self._lost = time.monotonic()  # when the last frame came

    def frames(self) -> Iterator[Frame]:
        """A file that cannot be read raises; a live source is tried again until stopped."""
        return self._live() if self.source.live else self._file()

    def successor(
        self, source: Source | None = None, stop: threading.Event | None = None
    ) -> "Reader":
        """One that goes on where the frames of this ended, for this hangs or is read otherwise."""
        new = Reader(
            source or self.source, counts=self._counts, stop=stop or self._stop, ring=self._ring
        )
        new._clock, new._index = copy.copy(self._clock), self._index
        new._wall, new._lost = copy.copy(self._wall), self._lost
        if new._index:
            new._clock.restart(time.monotonic() - new._lost)
        return new

    def _file(self) -> Iterator[Frame]:
        with self._opened() as container:
            yield from self._recording(container)
        if not self._index:
            raise SourceError(f"{self.source.shown}: no frame can be decoded")

    def _recording(self, container: Any) -> Iterator[Frame]:
        began = creation_time(container, self.source)
        yield from self._decode(container, lambda media, *_: began + timedelta(seconds=media))

    def _live(self) -> Iterator[Frame]:
        back_off, name = BackOff(), self.source.name
        while not self._stop.is_set():
            trouble, reason = Trouble.ENDED, f"{self.source.shown}: the stream ended"
            try:
                with self._opened() as container:
                    if is_recording(container, self.source):
                        self.live = False
                        yield from self._recording(container)
                        return
                    for frame in self._decode(container, self._wall_time):
                        self._lost = time.monotonic()
                        back_off.succeeded()
                        yield frame
            except SourceError as error:
                trouble, reason = error.trouble, str(error)
            if self._stop.is_set():
                return
            self._counts.lose(name, trouble)
            wait = back_off.wait(trouble)
            logger.warning("%s (%s); next try in %.1f s", reason, trouble, wait)
            self._stop.wait(wait)
            self._sender = None
            if self._index:
                self._clock.restart(time.monotonic() - self._lost)

    def _wall_time(self, media: float, epoch: int, timestamp: float | None) -> datetime:
        sent = None
        if self._sender is not None and timestamp is not None:
            sent = datetime.fromtimestamp(self._sender + timestamp, UTC)
        told = self._wall.tell(media=media, epoch=epoch, arrival=datetime.now(UTC), sent=sent)
        self._counts.clock(self.source.name, offset=self._wall.offset, drift=self._wall.drift)
        return told

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        with one_line_errors(self.source):
            with self._inside_ffmpeg():
                container = open_video(self.source)
            with container:
                yield container

    @contextmanager
    def _inside_ffmpeg(self) -> Iterator[None]:
        self.blocked_since = time.monotonic()
        try:
            yield
        finally:
            self.blocked_since = None

    def _decode(
        self, container: Any, wall: Callable[[float, int, float | None], datetime]
    ) -> Iterator[Frame]:
        """`wall` makes of media time, epoch and timestamp the time of day."""
        stream = container.streams.video[0]
        stream.thread_type = "SLICE" if self.live else "AUTO"  # frame threads add latency
        interval = 1 / float(stream.average_rate or 25)
        if self._ring is not None:
            self._ring.begin(stream)
        for picture in self._pictures(container, stream):
            if self._stop.is_set():
                return
            if self._size not in (None, (picture.width, picture.height)):
                self._clock.mark()
            self._size = (picture.width, picture.height)
            media, epoch = self._clock.tick(picture.time, interval)
            if self._ring is not None:
                self._ring.tell(picture.time, media)
            index, self._index = self._index, self._index + 1
            self._counts.decode(self.source.name)
            if media < self._due - interval / 2:
                self._counts.drop(self.source.name, "rate_limit")
                continue
            self._due = max(self._due + self._pause, media) if self._pause else 0.0
            taken = wall(media, epoch, picture.time)
            yield Frame(self.source.name, index, epoch, media, taken, to_rgb(picture))

    def _pictures(self, container: Any, stream: Any) -> Iterator[Any]:
        """All that can be decoded, to the last frame: damaged packets are skipped and told of."""
        source, packets = self.source, container.demux(stream)
        damaged, broken, last = 0, None, time.monotonic()
        while True:
            try:
                with self._inside_ffmpeg():
                    packet = next(packets, None)
            except av.FFmpegError as error:
                if self.live:
                    raise
                broken = error
                break
            if packet is None:
                break
            if self._ring is not None:
                self._ring.add(packet)
            if self.live and (offset := sender_offset(packet)) is not None:
                self._sender = offset
            try:
                with self._inside_ffmpeg():
                    pictures = packet.decode()
            except av.InvalidDataError:
                damaged += 1
                pictures = []
            if pictures:
                last = time.monotonic()
            elif self.live and time.monotonic() - last > _NO_PICTURE_SECONDS:
                raise SourceError(f"{source.shown}: data without pictures", Trouble.CODEC)
            yield from pictures
        if broken is not None:
            yield from stream.decode(None)
        if damaged or broken is not None:
            reason = (
                reason_of(broken) if broken is not None else f"{damaged} damaged packets skipped"
            )
            logger.warning("%s: %s", source.shown, reason)
