"""The newest encoded packets of a camera, on its media clock, from which clips are cut as they are.

Nothing is encoded again: a clip costs copying bytes.
"""

import io
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

_SECONDS = 30.0  # kept, and the group of pictures before them
_MOST_BYTES = 64_000_000  # ... of one camera
_TIME_BASE = Fraction(1, 90_000)  # of clips, seconds
_ROUNDING = 1e-3  # seconds
_JUMP = 0.5  # seconds; timestamps that leave the media clock by more begin a new section
_MP4 = ("h264", "hevc", "av1", "vp9", "mpeg4", "mjpeg")  # players expect these in an MP4


@dataclass(eq=False)
class _Section:
    """Packets of one connection with one run of timestamps."""

    template: Any  # of a stream to write them to
    format: tuple[object, ...]  # equal: their packets fit into one stream
    interval: float  # seconds, the usual one between two pictures
    offset: float | None = None  # media seconds minus timestamp
    untimed: list[bytes] = field(default_factory=list)  # the first ones of RTSP have no timestamp
    begun: bool = False  # with a key picture


@dataclass(frozen=True, eq=False)
class _Packet:
    section: _Section
    data: bytes
    seconds: float  # timestamp of presentation
    decoding: float  # ... of decoding
    key: bool

    @property
    def media(self) -> float | None:
        return None if self.section.offset is None else self.seconds + self.section.offset


class PacketRing:
    """One thread adds, another one cuts."""

    def __init__(self, seconds: float = _SECONDS, most_bytes: int = _MOST_BYTES) -> None:
        self._seconds, self._most_bytes = seconds, most_bytes
        self._lock = threading.Lock()
        self._packets: deque[_Packet] = deque()
        self._bytes = 0
        self._section: _Section | None = None

    def begin(self, stream: Any) -> None:
        """A connection was made; what follows are packets of this video stream."""
        codec = stream.codec_context
        form = codec.name, codec.width, codec.height, bytes(codec.extradata or b"")
        holder = av.open(io.BytesIO(), "w", format="matroska")  # outlives the connection
        try:
            template = holder.add_stream_from_template(stream)
        except (ValueError, av.FFmpegError):  # raw video from a webcam: there is nothing to copy
            self._section = None
        else:
            self._section = _Section((holder, template), form, 1 / float(stream.average_rate or 25))

    def add(self, packet: Any) -> None:
        """A packet as it comes, before it is decoded."""
        section = self._section
        if section is None or not (section.begun or packet.is_keyframe):
            return
        section.begun = True
        if packet.pts is None or packet.time_base is None:
            section.untimed.append(bytes(packet))
            return
        base = float(packet.time_base)
        shown = packet.pts * base
        decoded = shown if packet.dts is None else packet.dts * base
        with self._lock:
            while section.untimed:  # one picture after the other, the first of them a key picture
                early = len(section.untimed) * section.interval
                data, key = section.untimed.pop(0), not self._holds(section)
                self._append(_Packet(section, data, shown - early, decoded - early, key))
            self._append(_Packet(section, bytes(packet), shown, decoded, bool(packet.is_keyframe)))

    def tell(self, seconds: float | None, media: float) -> None:
        """A decoded picture's timestamp and its media time."""
        section = self._section
        if section is None or seconds is None:
            return
        offset = media - seconds
        if section.offset is not None and abs(section.offset - offset) > _JUMP:
            self._section = _Section(
                section.template, section.format, section.interval, offset, begun=True
            )
        elif section.offset is None:
            section.offset = offset

    def plan(self, media: float) -> tuple[float, str] | None:
        """When a clip that should begin there will begin, and the suffix of its file.

        Media seconds; None: no packets are here.
        """
        with self._lock:
            first = self._first_key(media)
        if first is None or first.media is None:
            return None
        return first.media, ".mp4" if first.section.format[0] in _MP4 else ".mkv"

    def cut(self, path: Path, *, start: float, end: float) -> bool:
        """Write the pictures from the key picture at or before `start` to `end`, media seconds.

        False: there are none. Raises OSError when the file cannot be written.
        """
        with self._lock:
            first = self._first_key(start)
            if first is None:
                return False
            packets = list(self._between(first, end))
        try:
            _write(path, packets)
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error
        return True

    def _holds(self, section: _Section) -> bool:
        return bool(self._packets) and self._packets[-1].section is section

    def _append(self, packet: _Packet) -> None:
        self._packets.append(packet)
        self._bytes += len(packet.data)
        self._forget()

    def _first_key(self, media: float) -> _Packet | None:
        """The last key picture before; the first one of all when none is."""
        found = None
        for packet in self._packets:
            if packet.key and (time := packet.media) is not None:
                if found is not None and time > media + _ROUNDING:
                    break
                found = packet
        return found

    def _between(self, first: _Packet, end: float) -> Iterator[_Packet]:
        begun, last = False, -float("inf")
        assert first.media is not None
        for packet in self._packets:
            begun = begun or packet is first
            media = packet.media
            if not begun or media is None or packet.section.format != first.section.format:
                continue
            decoding = packet.decoding + (packet.section.offset or 0.0)
            if first.media <= media <= end and decoding > last:
                last = decoding
                yield packet

    def _forget(self) -> None:
        """Whole groups of pictures go, for the others cannot be decoded without their first."""
        while True:
            second = next((i for i, p in enumerate(self._packets) if p.key and i), None)
            if second is None:
                return
            newest, limit = self._packets[-1], self._packets[second]
            old = (newest.media or 0.0) - (limit.media or 0.0) > self._seconds
            if not old and self._bytes <= self._most_bytes:
                return
            for _ in range(second):
                self._bytes -= len(self._packets.popleft().data)


class Rings:
    """A ring for every camera that is asked for; of any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rings: dict[str, PacketRing] = {}

    def of(self, camera: str) -> PacketRing:
        with self._lock:
            return self._rings.setdefault(camera, PacketRing())


def _write(path: Path, packets: list[_Packet]) -> None:
    first = packets[0]
    assert first.media is not None
    kind = "mp4" if ".mp4" in path.suffixes else "matroska"
    with av.open(str(path), "w", format=kind) as out:
        stream = out.add_stream_from_template(first.section.template[1])
        for kept in packets:
            packet: Any = av.Packet(kept.data)
            packet.stream, packet.time_base = stream, _TIME_BASE
            shift = (kept.section.offset or 0.0) - first.media
            packet.pts = round((kept.seconds + shift) / _TIME_BASE)
            packet.dts = round((kept.decoding + shift) / _TIME_BASE)
            packet.is_keyframe = kept.key
            out.mux(packet)
