import io
import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.addresses import Reading, Source, Wanted, find_sources, redact
from stream.errors import SourceError
from stream.rounds import Rounds
from stream.sources import Reader, count_frames, read_file
from stream.stats import FrameCounts

MakeVideo = Callable[..., Path]


def make_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        silence = np.zeros((1, 4096), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_every_frame_comes_in_order_with_its_time(video: Path) -> None:
    frames = list(read_file(video))
    assert [frame.index for frame in frames] == list(range(25))
    assert [frame.media_time for frame in frames] == pytest.approx([n / 25 for n in range(25)])
    assert {frame.epoch for frame in frames} == {0}
    assert {frame.camera for frame in frames} == {"video"}
    assert count_frames(Source("v", str(video), False)) == 25


def test_pictures_are_rgb(video: Path) -> None:
    image = list(read_file(video))[10].image
    assert image.shape == (96, 128, 3)
    assert image.dtype == np.uint8
    assert np.allclose(image[48, 16], (200, 0, 0), atol=12)
    assert np.allclose(image[48, 112], 80, atol=6)


def test_wall_time_starts_at_the_files_own_time(video: Path) -> None:
    made = datetime(2024, 5, 1, 12, tzinfo=UTC)
    os.utime(video, (made.timestamp(), made.timestamp()))
    frames = list(read_file(video))
    assert frames[0].wall_time == made
    assert (frames[-1].wall_time - made).total_seconds() == pytest.approx(0.96)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing.mp4", None, "there is no such file"),
        ("empty.mp4", b"", "the file is empty"),
        ("text.mp4", b"this is not a video at all" * 50, "not a video, or cut off"),
    ],
)
def test_a_file_that_cannot_be_read_gives_one_line(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=reason) as raised:
        list(read_file(tmp_path / name))
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_sound_without_pictures_gives_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"sound\.mp4: there is no video in it, only audio"):
        list(read_file(make_sound(tmp_path / "sound.mp4")))


def test_a_file_cut_off_before_its_index_gives_one_line(make_video: MakeVideo) -> None:
    path = make_video(frames=50)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match=r"video\.mp4: not a video, or cut off"):
        list(read_file(path))


def test_a_file_cut_off_in_its_pictures_gives_what_is_there(make_video: MakeVideo) -> None:
    path = make_video(frames=250, movflags="faststart")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = list(read_file(path))
    assert 20 < len(frames) < 250
    assert [frame.index for frame in frames] == list(range(len(frames)))


def test_damage_in_the_middle_is_survived(
    make_video: MakeVideo, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_video(frames=250, movflags="faststart")
    data = bytearray(path.read_bytes())
    at = int(len(data) * 0.7)
    data[at : at + 200] = bytes(200)
    path.write_bytes(bytes(data))
    with caplog.at_level(logging.WARNING):
        assert len(list(read_file(path))) > 150


def test_a_new_picture_size_starts_an_epoch_on_the_same_clock(tmp_path: Path) -> None:
    path = tmp_path / "sizes.h264"
    with path.open("wb") as file:
        for size in ((128, 96), (64, 48)):
            part = io.BytesIO()
            with av.open(part, "w", format="h264") as container:
                stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
                stream.width, stream.height = size
                for _ in range(10):
                    image = np.zeros((size[1], size[0], 3), np.uint8)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
                container.mux(stream.encode(None))
            file.write(part.getvalue())
    frames = list(read_file(path))
    assert [frame.image.shape[:2] for frame in frames] == [(96, 128)] * 10 + [(48, 64)] * 10
    assert [frame.epoch for frame in frames] == [0] * 10 + [1] * 10
    times = [frame.media_time for frame in frames]
    assert times == sorted(set(times))


def test_a_turned_phone_video_stands_upright(tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "12"})
        stream.width, stream.height, stream.time_base = 128, 96, Fraction(1, 25)
        image = np.zeros((96, 128, 3), np.uint8)
        image[:, :64] = 255  # the left half
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    one, at = (0x10000).to_bytes(4, "big"), data.index(b"tkhd") + 4 + 40
    matrix = [bytes(4), one, bytes(4), (-0x10000).to_bytes(4, "big", signed=True), bytes(4)]
    data[at : at + 20] = b"".join(matrix)  # to be shown a quarter clockwise
    path.write_bytes(bytes(data))
    shown = next(iter(read_file(path))).image
    assert shown.shape == (128, 96, 3)
    assert shown[20, 48].min() > 240
    assert shown[110, 48].max() < 15


def test_a_rate_limit_counts_what_it_leaves_out(video: Path) -> None:
    reader = Reader(Source("v", str(video), False, Reading(fps=5)))
    frames = list(reader.frames())
    assert [frame.media_time for frame in frames] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert reader._counts.decoded == 25
    assert reader._counts.dropped == {"rate_limit": 20}


def test_a_live_source_that_refuses_is_tried_again_until_stopped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop = threading.Event()
    source = Source("gate", f"rtsp://admin:hunter2@127.0.0.1:{port}/x", True)
    threading.Timer(1.5, stop.set).start()
    with caplog.at_level(logging.WARNING):
        assert list(Reader(source, stop=stop).frames()) == []
    assert "refused" in caplog.text
    assert "hunter2" not in caplog.text


@given(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1), st.text(max_size=5))
def test_no_password_is_shown(password: str, user: str) -> None:
    user = user.replace("/", "").replace(" ", "")
    url = f"rtsp://{''.join(user.split())}:X{password}X@camera.local/stream"
    assert redact(f"cannot open {url} now") == "cannot open rtsp://***@camera.local/stream now"


def test_keys_in_queries_are_not_shown() -> None:
    shown = redact("http://host/live.m3u8?token=abc&quality=high&api_key=def")
    assert shown == "http://host/live.m3u8?token=***&quality=high&api_key=***"


def test_names_come_from_paths_and_addresses_and_are_unique(
    tmp_path: Path, make_video: MakeVideo
) -> None:
    make_video("a/front door.mp4", frames=2)
    make_video("b/front door.mp4", frames=2)
    (tmp_path / "a" / "notes.txt").write_text("x")
    wanted = [
        Wanted(str(tmp_path / "a")),
        Wanted(str(tmp_path / "b" / "*.mp4")),
        Wanted("rtsp://u:p/w@10.0.0.1/live", "gate"),
        Wanted("rtsp://u:p@10.0.0.2:554/live?key=1"),
        Wanted("/dev/video0"),
    ]
    sources = find_sources(wanted)
    names = ["front-door", "front-door-2", "gate", "10.0.0.2-554-live", "video0"]
    assert [source.name for source in sources] == names
    assert [source.live for source in sources] == [False, False, True, True, True]


@pytest.mark.parametrize("url", ["concat:a|b", "pipe:0"])
def test_other_protocols_are_files_that_do_not_exist(url: str) -> None:
    with pytest.raises(SourceError, match="there is no such file"):
        list(Reader(find_sources([Wanted(url)])[0]).frames())


@pytest.mark.parametrize("url", ["ftp://host/a.mp4", "concat://a"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(SourceError, match="is not one of rtsp"):
        find_sources([Wanted(url)])


@pytest.mark.parametrize(
    ("given", "dialled"),
    [
        ("rtsp://10.0.0.1/a", "rtsp://10.0.0.1/a"),
        ("rtsp://10.0.0.1:554/a@b:c", "rtsp://10.0.0.1:554/a@b:c"),
        ("http://host/live?mail=a@b", "http://host/live?mail=a@b"),
        ("rtsp://joe:secret@host/a", "rtsp://joe:secret@host/a"),
        ("rtsp://joe:p%40ss@host/a", "rtsp://joe:p%40ss@host/a"),
        ("rtsp://joe:p@ss@host:554/a", "rtsp://joe:p%40ss@host:554/a"),
        ("rtsp://joe:p@ss@host/a@b", "rtsp://joe:p%40ss@host/a@b"),
        ("rtsp://joe:p@ss/w@10.0.0.1/a", "rtsp://joe:p%40ss%2Fw@10.0.0.1/a"),
        ("rtsp://joe:p@10.0.0.1/a?b@c.de", "rtsp://joe:p@10.0.0.1/a?b@c.de"),
        ("rtsp://joe:s/l#a?sh@host/a", "rtsp://joe:s%2Fl%23a%3Fsh@host/a"),
        ("rtsp://joe:50%!@host/a", "rtsp://joe:50%25%21@host/a"),
        ("rtsp://joe:a:b@host/a", "rtsp://joe:a%3Ab@host/a"),
        ("rtsp://j\u00f6e:\u00fc@host/a", "rtsp://j%C3%B6e:%C3%BC@host/a"),
    ],
)
def test_a_password_is_escaped_where_it_was_not(given: str, dialled: str) -> None:
    assert Source("gate", given, True).dialled == dialled


@pytest.mark.parametrize("device", ["cuda", "nonsense"])
def test_decoding_falls_back_to_the_processor_and_says_so(
    video: Path, device: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source("gate", str(video), False, Reading(hardware=device))
    with caplog.at_level(logging.INFO):
        frames = list(Reader(source).frames())
    assert len(frames) == 25
    told = [r.getMessage() for r in caplog.records]
    (where,) = [line for line in told if line.startswith("gate: h264 is decoded on ")]
    fallen = any(f"gate: no decoding on {device}" in line for line in told)
    assert fallen == where.endswith("the processor")
    assert fallen or device == "cuda"


def test_a_recording_on_a_web_server_is_read_once_and_whole(make_video: MakeVideo) -> None:
    data = make_video(frames=75, movflags="faststart").read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/watch?id=7"
        counts = FrameCounts()
        rounds = list(Rounds(find_sources([Wanted(url, "web")]), counts=counts).rounds())
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert sum(len(round_.frames) for round_ in rounds) == 75
    assert counts.dropped == {}
    assert counts.lost == {}
