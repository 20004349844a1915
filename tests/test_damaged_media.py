"""A corpus of odd and damaged files: each gives its frames or one line, none crashes or hangs."""

import random
import zipfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from stream.errors import SourceError
from stream.frames import Frame
from stream.sources import read_file

FRAMES, RATE = 30, 25

Make = Callable[[Path], None]


def encode(
    path: Path,
    *,
    frames: int = FRAMES,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Callable[[int], int] = lambda n: 4 * n,  # frame number to timestamp in 1/100 s
    kind: str | None = None,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
) -> None:
    with av.open(str(path), "w", format=kind, options=muxer or {}) as container:
        stream: Any = container.add_stream(codec, rate=RATE, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.time_base = stream.codec_context.time_base = Fraction(1, 100)
        for n in range(frames):
            image = np.full((size[1], size[0], 3), 8 * n % 240, np.uint8)
            image[:, : size[0] // 2] = np.random.default_rng(n).integers(0, 255, 3)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = (
                times(n) * 4 if times is int else times(n),
                Fraction(1, 100),
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def whole(path: Path, container: str, **options: Any) -> bytes:
    kind = {"mp4": "mp4", "mkv": "matroska", "ts": "mpegts", "avi": "avi"}[container]
    muxer = {"movflags": "faststart"} if container == "mp4" else {}
    encode(path, kind=kind, muxer=muxer, **options)
    return path.read_bytes()


def cut(path: Path, *, container: str, share: float) -> None:
    data = whole(path, container)
    path.write_bytes(data[: int(len(data) * share)])


def flip(path: Path, *, container: str, seed: int) -> None:
    data, rng = bytearray(whole(path, container)), random.Random(seed)
    for _ in range(40):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(data))


def blank(path: Path, *, container: str, at: float) -> None:
    data = bytearray(whole(path, container))
    start = int(len(data) * at)
    data[start : start + 400] = bytes(len(data[start : start + 400]))
    path.write_bytes(bytes(data))


def zeros(path: Path, *, size: int) -> None:
    path.write_bytes(bytes(size))


def text(path: Path) -> None:
    path.write_text("#EXTM3U\nfile:///etc/passwd\n")


def concat(path: Path) -> None:
    path.write_text("ffconcat version 1.0\nfile '/etc/passwd'\n")


def picture(path: Path) -> None:
    path.write_bytes(cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes())


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.txt", "not a video")


def noise(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(50_000))


def sound(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def two_sizes(path: Path) -> None:
    parts = []
    for size in ((64, 48), (96, 80)):
        encode(path, size=size, kind="h264", options={"bf": "0"}, frames=15)
        parts.append(path.read_bytes())
    path.write_bytes(b"".join(parts))


def edit_list(path: Path) -> None:
    """The first 0.2 s are cut by an edit list, as phones do."""
    encode(path, times=lambda n: 4 * n - 20, kind="mp4", muxer={"use_editlist": "1"})


DAMAGED: dict[str, Make] = {
    **{
        f"cut-{container}-{share}": partial(cut, container=container, share=share)
        for container in ("mp4", "mkv", "ts", "avi")
        for share in (0.02, 0.1, 0.3, 0.6, 0.9, 0.99)
    },
    **{
        f"flip-{container}-{seed}": partial(flip, container=container, seed=seed)
        for container in ("mp4", "mkv", "ts", "avi")
        for seed in range(6)
    },
    **{
        f"blank-{container}-{at}": partial(blank, container=container, at=at)
        for container in ("mp4", "mkv", "ts", "avi")
        for at in (0.0, 0.5)
    },
    "empty": partial(zeros, size=0),
    "one-byte": partial(zeros, size=1),
    "zeros": partial(zeros, size=100_000),
    "playlist": text,
    "concat": concat,
    "picture": picture,
    "archive": archive,
    "noise": noise,
    "sound": sound,
    "folder": Path.mkdir,
}
ODD: dict[str, tuple[Make, int]] = {  # with how many frames are in it
    "one-frame": (partial(encode, frames=1, kind="mp4"), 1),
    "two-frames": (partial(encode, frames=2, kind="mp4"), 2),
    "wide": (partial(encode, size=(16_384, 16), frames=3, kind="mp4"), 3),
    "tall": (partial(encode, size=(16, 8_192), frames=3, kind="mp4"), 3),
    "odd-size": (partial(encode, size=(66, 50), kind="mp4"), FRAMES),
    "ten-bit": (partial(encode, pixels="yuv420p10le", kind="mp4"), FRAMES),
    "full-colour": (partial(encode, pixels="yuv444p", kind="mp4"), FRAMES),
    "grey": (partial(encode, pixels="gray", kind="mp4"), FRAMES),
    "interlaced": (
        partial(encode, kind="mp4", options={"x264-params": "tff=1:interlaced=1"}),
        FRAMES,
    ),
    "b-frames": (partial(encode, kind="mp4", options={"bf": "8", "b-adapt": "0"}), FRAMES),
    "open-gop": (
        partial(encode, kind="mp4", options={"g": "5", "x264-params": "open-gop=1"}),
        FRAMES,
    ),
    "uneven": (partial(encode, kind="mp4", times=lambda n: n * n), FRAMES),
    "edit-list": (edit_list, FRAMES - 5),
    "two-sizes": (two_sizes, 30),
    "mpeg4": (partial(encode, codec="mpeg4", kind="avi"), FRAMES),
    "mjpeg": (partial(encode, codec="mjpeg", pixels="yuvj420p", kind="avi"), FRAMES),
    "fragmented": (
        partial(encode, kind="mp4", muxer={"movflags": "frag_keyframe+empty_moov"}),
        FRAMES,
    ),
}


def frames_or_line(path: Path) -> tuple[list[Frame], str]:
    frames: list[Frame] = []
    line = ""
    source: Iterator[Frame] = read_file(path)
    try:
        frames.extend(source)
    except SourceError as error:
        line = str(error)
    return frames, line


def test_the_corpus_is_large() -> None:
    assert len(DAMAGED) + len(ODD) >= 60


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_gives_frames_or_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.mp4"
    DAMAGED[name](path)
    frames, line = frames_or_line(path)
    assert frames or line
    assert "\n" not in line
    assert not line or line.startswith(str(path))
    for before, after in pairwise(frames):
        assert after.media_time > before.media_time
        assert after.index == before.index + 1
    assert all(f.image.dtype == np.uint8 and f.image.shape[2] == 3 for f in frames)
    if name.startswith("cut-ts-0.9"):
        assert len(frames) > FRAMES / 2, "what is before the cut is read"
    if name in ("playlist", "concat", "archive", "noise", "sound", "empty"):
        assert not frames


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_gives_all_its_frames(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.mp4"
    make, expected = ODD[name]
    make(path)
    frames, line = frames_or_line(path)
    assert line == ""
    assert len(frames) == expected


def test_uneven_frames_keep_their_times(tmp_path: Path) -> None:
    path = tmp_path / "uneven.mp4"
    ODD["uneven"][0](path)
    times = [frame.media_time for frame in read_file(path)]
    assert times == pytest.approx([n * n / 100 for n in range(FRAMES)], abs=0.011)
