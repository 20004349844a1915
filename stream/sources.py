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
from typing import Any, cast

import av
import numpy as np

from stream.addresses import Source, name_of, redact
from stream.clock import MediaClock
from stream.errors import SourceError
from stream.frames import Frame, Image
from stream.stats import FrameCounts
from stream.trouble import BackOff, Trouble

logger = logging.getLogger(__name__)

_OPEN_SECONDS, _READ_SECONDS = 10.0, 10.0  # a network source that says nothing for so long is lost
_NO_PICTURE_SECONDS = 10.0  # data comes from a live source, and no picture is made of it
_OLDEST_YEAR = 1990  # a creation time before it is an unset clock


def count_frames(source: Source) -> int | None:
    """How many frames a file says it has; None: unknown, or it cannot be opened."""
    if source.live:
        return None
    try:
        with _one_line_errors(source), _open(source) as container:
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
        max_fps: float | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.source = source
        self.blocked_since: float | None = None  # monotonic seconds; it is inside FFmpeg since then
        self._counts = counts or FrameCounts()
        self._max_fps = max_fps
        self._pause = 1 / max_fps if max_fps else 0.0
        self._stop = stop or threading.Event()
        self._clock = MediaClock()
        self._index = 0
        self._due = 0.0  # media time from which the next frame is wanted
        self._size: tuple[int, int] | None = None
        self._lost = time.monotonic()  # when the last frame came

    def frames(self) -> Iterator[Frame]:
        """A file that cannot be read raises; a live source is tried again until stopped."""
        return self._live() if self.source.live else self._file()

    def successor(self) -> "Reader":
        """One that takes over from this, which hangs in FFmpeg, where its frames ended."""
        new = Reader(self.source, counts=self._counts, max_fps=self._max_fps, stop=self._stop)
        new._clock, new._index, new._due = copy.copy(self._clock), self._index, self._due
        new._size, new._lost = self._size, self._lost
        if new._index:
            new._clock.restart(time.monotonic() - new._lost)
        return new

    def _file(self) -> Iterator[Frame]:
        with self._opened() as container:
            began = _creation_time(container, self.source)
            yield from self._decode(container, lambda media: began + timedelta(seconds=media))
        if not self._index:
            raise SourceError(f"{self.source.shown}: no frame can be decoded")

    def _live(self) -> Iterator[Frame]:
        back_off, name = BackOff(), self.source.name
        while not self._stop.is_set():
            trouble, reason = Trouble.ENDED, f"{self.source.shown}: the stream ended"
            try:
                with self._opened() as container:
                    for frame in self._decode(container, lambda _: datetime.now(UTC)):
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
            if self._index:
                self._clock.restart(time.monotonic() - self._lost)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        with _one_line_errors(self.source):
            with self._inside_ffmpeg():
                container = _open(self.source)
            with container:
                yield container

    @contextmanager
    def _inside_ffmpeg(self) -> Iterator[None]:
        self.blocked_since = time.monotonic()
        try:
            yield
        finally:
            self.blocked_since = None

    def _decode(self, container: Any, wall: Callable[[float], datetime]) -> Iterator[Frame]:
        stream = container.streams.video[0]
        stream.thread_type = "SLICE" if self.source.live else "AUTO"  # frame threads add latency
        interval = 1 / float(stream.average_rate or 25)
        for picture in self._pictures(container, stream):
            if self._stop.is_set():
                return
            if self._size not in (None, (picture.width, picture.height)):
                self._clock.mark()
            self._size = (picture.width, picture.height)
            media, epoch = self._clock.tick(picture.time, interval)
            index, self._index = self._index, self._index + 1
            self._counts.decode(self.source.name)
            if media < self._due - interval / 2:
                self._counts.drop(self.source.name, "rate_limit")
                continue
            self._due = max(self._due + self._pause, media) if self._pause else 0.0
            image = _to_rgb(picture)
            yield Frame(self.source.name, index, epoch, media, wall(media), image)

    def _pictures(self, container: Any, stream: Any) -> Iterator[Any]:
        """All that can be decoded, to the last frame: damaged packets are skipped and told of."""
        source, packets = self.source, container.demux(stream)
        damaged, broken, last = 0, None, time.monotonic()
        while True:
            try:
                with self._inside_ffmpeg():
                    packet = next(packets, None)
            except av.FFmpegError as error:
                if source.live:
                    raise
                broken = error
                break
            if packet is None:
                break
            try:
                with self._inside_ffmpeg():
                    pictures = packet.decode()
            except av.InvalidDataError:
                damaged += 1
                pictures = []
            if pictures:
                last = time.monotonic()
            elif source.live and time.monotonic() - last > _NO_PICTURE_SECONDS:
                raise SourceError(f"{source.shown}: data without pictures", Trouble.CODEC)
            yield from pictures
        if broken is not None:
            yield from stream.decode(None)
        if damaged or broken is not None:
            reason = _reason(broken) if broken is not None else f"{damaged} damaged packets skipped"
            logger.warning("%s: %s", source.shown, reason)


@contextmanager
def _one_line_errors(source: Source) -> Iterator[None]:
    """Every FFmpeg error becomes one line of ours."""
    try:
        yield
    except av.FFmpegError as error:
        trouble = _trouble_of(error, source.url)
        raise SourceError(f"{source.shown}: {_reason(error)}", trouble) from error


def _open(source: Source) -> Any:
    """An open container with a video stream."""
    options: dict[str, str] = {}
    kind = None
    if source.url.startswith("rtsp"):
        options = {"rtsp_transport": "tcp"}
    elif source.url.startswith("/dev/video"):
        kind = "v4l2"
    elif "://" not in source.url:
        _check_file(source)
    container = av.open(
        source.url,
        format=kind,
        options=options,
        timeout=(_OPEN_SECONDS, _READ_SECONDS),
        metadata_errors="replace",
    )
    wrong = None
    if not container.streams.video:
        wrong = f"there is no video in it, only {_kinds(container)}"
    elif container.streams.video[0].codec_context is None:
        wrong = "its video codec is not known to FFmpeg"
    if wrong is not None:
        container.close()
        raise SourceError(f"{source.shown}: {wrong}", Trouble.CODEC)
    return container


def _check_file(source: Source) -> None:
    path = Path(source.url)
    try:
        if not path.exists():
            raise SourceError(f"{source.shown}: there is no such file")
        if path.is_file() and path.stat().st_size == 0:
            raise SourceError(f"{source.shown}: the file is empty")
        with path.open("rb"):
            pass
    except OSError as error:
        raise SourceError(f"{source.shown}: {error.strerror}") from error


def _to_rgb(picture: Any) -> Image:
    # Bicubic, the default, looks the same without scaling and takes six times as long.
    image = picture.to_ndarray(format="rgb24", interpolation="FAST_BILINEAR")
    quarters = round(picture.rotation / 90) % 4
    if quarters:
        image = np.ascontiguousarray(np.rot90(image, quarters))
    return cast(Image, image)


def _trouble_of(error: av.FFmpegError, url: str) -> Trouble:
    """The class of an error that FFmpeg raised for this URL."""
    match error:
        case av.HTTPUnauthorizedError() | av.HTTPForbiddenError() | PermissionError():
            return Trouble.AUTH
        case ConnectionRefusedError():
            return Trouble.REFUSED
        case TimeoutError() | av.ExitError():
            return Trouble.TIMEOUT
        case av.HTTPNotFoundError() | FileNotFoundError():
            return Trouble.NOT_FOUND
        case av.InvalidDataError() | av.DecoderNotFoundError() | av.PatchWelcomeError():
            return Trouble.CODEC
        case _ if url.lower().startswith(("rtsps:", "https:")):
            return Trouble.TLS
        case _:
            return Trouble.NETWORK


def _reason(error: av.FFmpegError) -> str:
    match error:
        case av.HTTPUnauthorizedError() | av.HTTPForbiddenError():
            return "the server refuses the user name or password"
        case av.InvalidDataError():
            return "not a video, or cut off before its index was written"
        case av.DecoderNotFoundError():
            return "its codec is not known to FFmpeg"
        case ConnectionRefusedError():
            return "the connection is refused"
        case TimeoutError() | av.ExitError():
            return "no answer in time"
        case _:
            return redact(error.strerror or type(error).__name__).lower()


def _kinds(container: Any) -> str:
    return " and ".join(sorted({stream.type for stream in container.streams})) or "nothing"


def _creation_time(container: Any, source: Source) -> datetime:
    """When a file's first frame was taken, as far as it is known."""
    try:
        made = datetime.fromisoformat(container.metadata["creation_time"])
        if made.year >= _OLDEST_YEAR:
            return made.astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        pass
    try:
        return datetime.fromtimestamp(Path(source.url).stat().st_mtime, UTC)
    except OSError:  # a file on a web server
        return datetime.now(UTC)
