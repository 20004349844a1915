"""FFmpeg's side of a source: containers opened as we want them, its errors in words of ours."""

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.codec.hwaccel import HWAccel

from stream.addresses import Source, redact
from stream.errors import SourceError
from stream.frames import Image
from stream.trouble import Trouble

logger = logging.getLogger(__name__)

_OPEN_SECONDS, _READ_SECONDS = 10.0, 10.0  # a network source that says nothing for so long is lost
_OLDEST_YEAR = 1990  # a creation time before it is an unset clock
_LOCAL, _REMOTE = "file,crypto,data", "rtsp,rtsps,rtp,rtcp,udp,tcp,tls,http,https,httpproxy,crypto"
# What a playlist or description inside a source may name: none of the user's files from afar.


@contextmanager
def one_line_errors(source: Source) -> Iterator[None]:
    """Every FFmpeg error becomes one line of ours."""
    try:
        yield
    except av.FFmpegError as error:
        trouble = _trouble_of(error, source.url)
        raise SourceError(f"{source.shown}: {reason_of(error)}", trouble) from error


def open_video(source: Source) -> Any:
    """An open container with a video stream."""
    options = {"protocol_whitelist": _REMOTE if "://" in source.url else _LOCAL}
    kind = None
    if source.url.lower().startswith("rtsp"):
        options["rtsp_transport"] = source.reading.transport
    elif source.url.startswith("/dev/video"):
        kind = "v4l2"
    elif "://" not in source.url:
        _check_file(source)
    container = av.open(
        source.dialled if "://" in source.url else source.url,
        format=kind,
        options=options,
        timeout=(_OPEN_SECONDS, _READ_SECONDS),
        metadata_errors="replace",
        hwaccel=_accelerator(source),
    )
    wrong = None
    if not container.streams.video:
        wrong = f"there is no video in it, only {_kinds(container)}"
    elif container.streams.video[0].codec_context is None:
        wrong = "its video codec is not known to FFmpeg"
    if wrong is not None:
        container.close()
        raise SourceError(f"{source.shown}: {wrong}", Trouble.CODEC)
    if source.reading.hardware is not None:
        codec = container.streams.video[0].codec_context
        place = source.reading.hardware if codec.is_hwaccel else "the processor"
        logger.info("%s: %s is decoded on %s", source.name, codec.name, place)
    return container


def _accelerator(source: Source) -> Any:
    """Where to decode; None: on the processor."""
    wanted = source.reading.hardware
    if wanted is None:
        return None
    try:
        accelerator = HWAccel(wanted, allow_software_fallback=True)
        accelerator.create(av.Codec("h264", "r"))  # a device that is not there fails here
    except (ValueError, NotImplementedError, av.FFmpegError) as error:
        reason = redact(str(error)).splitlines()[0].lower()
        logger.warning("%s: no decoding on %s: %s", source.name, wanted, reason)
        return None
    return accelerator


def is_recording(container: Any, source: Source) -> bool:
    """A web address of which all is there: it is read like a file."""
    return source.url.lower().startswith("http") and container.duration is not None


def sender_offset(packet: Any) -> float | None:
    """Seconds from the packet's timestamps to the sender's wall time (Unix), by RTCP reports."""
    if packet.pts is None or not packet.has_sidedata("prft"):
        return None
    (microseconds,) = struct.unpack_from("<q", bytes(packet.get_sidedata("prft")))
    return float(microseconds / 1e6 - packet.pts * packet.time_base)


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


def to_rgb(picture: Any) -> Image:
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


def reason_of(error: av.FFmpegError) -> str:
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


def creation_time(container: Any, source: Source) -> datetime:
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
