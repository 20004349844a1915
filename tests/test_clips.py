"""Clips around the best moment: copied, not encoded again, and on the clock of the scores."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from storage.interactions import Interaction, Phase
from stream.addresses import Source
from stream.clips import Clips
from stream.frames import Frame
from stream.packets import PacketRing, Rings
from stream.sources import Reader
from tests.test_interactions import make_interaction

RATE = 10


def level(n: int) -> int:
    """Grey of frame n; all of 64 frames differ."""
    return 3 * (n % 64) + 20


def encode(path: Path, frames: int, *, codec: str = "libx264", group: int = 10) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.gop_size = 64, 48, group
        if codec == "mjpeg":
            stream.pix_fmt = "yuvj420p"
        if codec == "libx264":
            stream.options = {"crf": "8", "bf": "2", "sc_threshold": "0"}
        for n in range(frames):
            image = np.full((48, 64, 3), level(n), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def read(path: Path, ring: PacketRing) -> list[Frame]:
    return list(Reader(Source("gate", str(path), False), ring=ring).frames())


def pictures(path: Path) -> list[tuple[float, int]]:
    """Time in the clip and grey of every picture; a picture that is damaged raises."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.options = {"err_detect": "explode"}
        decoded = list(container.decode(video=0))
    return [(float(p.time or 0), round(float(p.to_ndarray(format="gray").mean()))) for p in decoded]


def key_pictures(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    return [
        round(float(p.pts * p.time_base) * RATE)
        for p in packets
        if p.is_keyframe and p.pts is not None
    ]


def find(shown: list[tuple[float, int]], at: float) -> int:
    """Grey of the picture that is on the screen then."""
    return [grey for time_, grey in shown if time_ <= at + 0.01][-1]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mjpeg"])
def test_a_clip_begins_with_a_key_picture_and_has_the_peak_where_it_says(
    tmp_path: Path, codec: str
) -> None:
    ring = PacketRing()
    frames = read(encode(tmp_path / "in.mp4", 60, codec=codec), ring)
    peak = frames[33].media_time
    planned = ring.plan(peak - 1.0)
    assert planned is not None
    start, suffix = planned
    clip = tmp_path / f"out{suffix}"
    assert ring.cut(clip, start=start, end=peak + 1.5)
    shown = pictures(clip)
    greys = [round(float(f.image.mean())) for f in frames]
    first = round(start * RATE)
    assert first == max(n for n in key_pictures(tmp_path / "in.mp4") if n <= 23)
    assert shown[0][0] == 0.0
    assert [grey for _, grey in shown] == pytest.approx(greys[first : first + len(shown)], abs=3)
    assert find(shown, peak - start) == pytest.approx(greys[33], abs=2)
    assert shown[-1][0] == pytest.approx(peak + 1.5 - start, abs=0.31)  # but for late B-frames


def test_a_clip_goes_over_a_reconnect(tmp_path: Path) -> None:
    ring = PacketRing()
    first = Reader(Source("gate", str(encode(tmp_path / "a.mp4", 40)), False), ring=ring)
    before = list(first.frames())
    first._lost -= 3.0  # the camera was away for so long
    second = first.successor(Source("gate", str(encode(tmp_path / "b.mp4", 50)), False))
    after = list(second.frames())
    gap = after[0].media_time - before[-1].media_time
    assert gap == pytest.approx(3.0, abs=0.5)
    peak = after[5].media_time
    planned = ring.plan(peak - 4.5)
    assert planned is not None
    assert ring.cut(tmp_path / "out.mp4", start=planned[0], end=peak + 2.0)
    shown = pictures(tmp_path / "out.mp4")
    assert find(shown, peak - planned[0]) == pytest.approx(after[5].image.mean(), abs=2)
    old = before[-1].media_time - planned[0]
    assert find(shown, old) == pytest.approx(before[-1].image.mean(), abs=2)
    assert find(shown, old + gap / 2) == pytest.approx(before[-1].image.mean(), abs=2)


def test_a_camera_that_comes_back_with_another_picture_size_keeps_its_own_part(
    tmp_path: Path,
) -> None:
    ring = PacketRing()
    reader = Reader(Source("gate", str(encode(tmp_path / "a.mp4", 20)), False), ring=ring)
    list(reader.frames())
    other = encode(tmp_path / "b.mp4", 30, codec="mpeg4")
    after = list(reader.successor(Source("gate", str(other), False)).frames())
    planned = ring.plan(after[20].media_time - 1.0)
    assert planned is not None
    assert ring.cut(tmp_path / "out.mp4", start=planned[0], end=after[-1].media_time)
    shown = pictures(tmp_path / "out.mp4")
    at = after[20].media_time - planned[0]
    assert find(shown, at) == pytest.approx(after[20].image.mean(), abs=3)


def test_a_ring_forgets_whole_groups_and_stays_small(tmp_path: Path) -> None:
    ring = PacketRing(seconds=2.0)
    frames = read(encode(tmp_path / "in.mp4", 200), ring)
    planned = ring.plan(0.0)
    assert planned is not None
    assert frames[-1].media_time - planned[0] == pytest.approx(2.9, abs=1.0)
    small = PacketRing(most_bytes=1)
    read(encode(tmp_path / "in.mp4", 200), small)
    assert small.plan(0.0) == (19.0, ".mp4")  # the last group is never cut into


def test_a_source_of_unknown_timing_has_no_clip(tmp_path: Path) -> None:
    ring = PacketRing()
    assert ring.plan(1.0) is None
    assert not ring.cut(tmp_path / "x.mp4", start=0, end=1)


class Camera:
    """A file read into a ring, and an interaction in it."""

    def __init__(self, folder: Path, frames: int = 200) -> None:
        self.rings = Rings()
        self.frames = read(encode(folder / "in.mp4", frames), self.rings.of("gate"))
        self.clips = Clips(self.rings.of, folder / "media", before=1.0, after=2.0)


def event(peak: float, phase: Phase = Phase.END) -> Interaction:
    return make_interaction(phase=phase, peak_at=peak, media_start=peak - 1, media_end=peak + 1)


def test_the_file_is_there_when_its_last_second_was_seen(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    told = camera.clips.plan(event(8.0))
    assert told.clip == f"clips/2026-05-01/{told.id}.mp4"
    path = tmp_path / "media" / str(told.clip)
    camera.clips.step("gate", 9.9)
    assert not path.exists()
    camera.clips.step("gate", 10.0)
    assert told.clip_peak is not None
    grey = find(pictures(path), told.clip_peak)
    assert grey == pytest.approx(camera.frames[80].image.mean(), abs=2)
    assert [f.name for f in path.parent.iterdir()] == [path.name]


def test_a_better_moment_gets_a_new_clip_and_the_same_one_none(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    first = camera.clips.plan(event(5.0, Phase.START))
    path = tmp_path / "media" / str(first.clip)
    camera.clips.step("gate", 7.0)
    made = path.stat().st_mtime_ns
    again = camera.clips.plan(event(5.0, Phase.UPDATE))
    camera.clips.step("gate", 9.0)
    assert (again.clip, again.clip_peak) == (first.clip, first.clip_peak)
    assert path.stat().st_mtime_ns == made
    better = camera.clips.plan(event(12.0))
    assert better.clip == first.clip
    camera.clips.step("gate", 14.0)
    assert better.clip_peak is not None
    grey = find(pictures(path), better.clip_peak)
    assert grey == pytest.approx(camera.frames[120].image.mean(), abs=2)


def test_the_end_of_a_camera_cuts_what_there_is(tmp_path: Path) -> None:
    camera = Camera(tmp_path, frames=100)
    told = camera.clips.plan(event(9.5))
    camera.clips.close("gate")
    assert pictures(tmp_path / "media" / str(told.clip))


def test_a_peak_that_is_no_longer_there_has_no_clip(tmp_path: Path) -> None:
    rings = Rings()
    rings._rings["gate"] = PacketRing(seconds=2.0)
    read(encode(tmp_path / "in.mp4", 200), rings.of("gate"))
    clips = Clips(rings.of, tmp_path, before=1.0, after=2.0)
    assert clips.plan(event(3.0)).clip is None


def test_no_room_for_a_clip_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    camera = Camera(tmp_path)
    (tmp_path / "media").write_text("a file where the folder should be")
    for n in range(3):
        camera.clips.plan(replace(event(5.0 + n), id=make_interaction(n).id))
    camera.clips.step("gate", 15.0)
    assert caplog.text.count("no clips") == 1


@pytest.fixture
def watched(make_camera: Callable[..., Any]) -> Iterator[tuple[Any, list[Frame], PacketRing]]:
    """A real RTSP camera that is read all the time."""
    camera, ring, frames, stop = make_camera(), PacketRing(), list[Frame](), threading.Event()
    reader = Reader(Source("gate", camera.url, True), ring=ring, stop=stop)

    def watch() -> None:
        with closing(reader.frames()) as all_frames:  # type: ignore[type-var]  # a generator
            frames.extend(all_frames)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield camera, frames, ring
    stop.set()
    thread.join(timeout=20)


def test_a_clip_of_an_rtsp_camera_that_was_away(
    watched: tuple[Any, list[Frame], PacketRing], tmp_path: Path
) -> None:
    camera, frames, ring = watched
    wait_for(lambda: len(frames) > 40)
    camera.stop()
    camera.start()
    before = len(frames)
    wait_for(lambda: len(frames) > before + 40)
    peak = frames[before + 10]
    planned = ring.plan(frames[before - 15].media_time)
    assert planned is not None
    assert planned[0] <= frames[before - 15].media_time
    assert ring.cut(tmp_path / "out.mp4", start=planned[0], end=frames[-1].media_time)
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown = list(container.decode(video=0))
    at = peak.media_time - planned[0]
    nearest = min(shown, key=lambda picture: abs(float(picture.time or 0) - at))
    assert float(nearest.time or 0) == pytest.approx(at, abs=0.05)
    copied = nearest.to_ndarray(format="rgb24").astype(int)
    assert np.abs(copied - peak.image.astype(int)).mean() < 3


def wait_for(condition: Callable[[], bool], seconds: float = 40.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
