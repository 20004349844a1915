"""Live sources that freeze, die, lie, hang and come back; real RTSP and HTTP on loopback."""

import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from stream import containers as containers_module
from stream import rounds as rounds_module
from stream import sources as sources_module
from stream import trouble as trouble_module
from stream.addresses import Source
from stream.frames import Frame
from stream.rounds import Rounds
from stream.sources import Reader
from stream.stats import FrameCounts
from stream.trouble import BackOff, Trouble
from tests.conftest import RtspCamera, free_port
from tests.servers.flapping import http_camera

RATE = 12  # frames/s of an RtspCamera

_NO_IMAGE = np.zeros((1, 1, 3), np.uint8)

MakeCamera = Callable[..., RtspCamera]


class Watch:
    """Takes rounds in a thread, as the pipeline does, and keeps when each frame came."""

    def __init__(self, *sources: Source, keep: int | None = None) -> None:
        self.counts = FrameCounts()
        self.frames: dict[str, deque[tuple[float, Frame]]] = defaultdict(lambda: deque(maxlen=keep))
        self._rounds = Rounds(sources, counts=self.counts)
        self._thread = threading.Thread(target=self._take)
        self.began = time.monotonic()

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._rounds.stop()
        self._thread.join()

    def _take(self) -> None:
        for round_ in self._rounds.rounds():
            for frame in round_.frames:
                light = replace(
                    frame, image=_NO_IMAGE
                )  # what is kept here shall not look like a leak
                self.frames[frame.camera].append((time.monotonic(), light))

    def between(self, camera: str, start: float, end: float) -> int:
        return sum(start <= at < end for at, _ in list(self.frames[camera]))

    def wait_for(self, camera: str, since: float, seconds: float) -> float:
        """Seconds until the camera's first frame after `since`."""
        while time.monotonic() < since + seconds:
            if late := [at for at, _ in list(self.frames[camera]) if at > since]:
                return late[0] - since
            time.sleep(0.05)
        raise AssertionError(f"{camera}: no frame within {seconds} s; {self.counts.lost}")


@pytest.mark.timeout(120)
def test_a_camera_in_trouble_comes_back_and_holds_up_nobody(
    make_camera: MakeCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers_module, "_READ_SECONDS", 3.0)
    monkeypatch.setattr(containers_module, "_OPEN_SECONDS", 3.0)
    cameras = {name: make_camera() for name in ("good", "frozen", "killed")}
    watched = [Source(name, camera.url, True) for name, camera in cameras.items()]
    never = Source("never", f"rtsp://127.0.0.1:{free_port()}/live", True)
    with Watch(*watched, never) as watch:
        for name in cameras:
            watch.wait_for(name, watch.began, 20)
        time.sleep(1)
        trouble = time.monotonic()
        cameras["frozen"].freeze()
        cameras["killed"].stop()
        time.sleep(4)
        cameras["killed"].start()
        back = time.monotonic()
        assert watch.wait_for("killed", back, 15) < 10
        time.sleep(max(0.0, trouble + 10 - time.monotonic()))
        cameras["frozen"].thaw()
        thawed = time.monotonic()
        assert watch.wait_for("frozen", thawed, 20) < 15
        healthy = watch.between("good", trouble, thawed) / (thawed - trouble)
        time.sleep(0.5)
    assert healthy > 0.95 * RATE
    offset, drift = watch.counts.clocks["good"]
    assert offset is not None, "the camera's sender reports are read"
    assert abs(offset) < 1
    assert drift is not None
    assert abs(drift) < 0.5
    lost = watch.counts.lost
    assert lost["never", Trouble.REFUSED] >= 3
    assert lost["frozen", Trouble.TIMEOUT] >= 1
    assert sum(n for (camera, _), n in lost.items() if camera == "killed") >= 1
    assert not [camera for camera, _ in lost if camera == "good"]
    for name in cameras:
        times = [frame.media_time for _, frame in watch.frames[name]]
        assert times == sorted(set(times))
    gap = max(b.media_time - a.media_time for (_, a), (_, b) in pairwise(watch.frames["frozen"]))
    assert gap > 5, "the time that nothing was seen is in the media clock"
    assert watch.frames["killed"][-1][1].epoch >= 1


@pytest.mark.timeout(60)
def test_a_refused_password_is_told_and_not_tried_again_and_again(
    make_camera: MakeCamera, caplog: pytest.LogCaptureFixture
) -> None:
    password = "p@ss/w:rd#%?ü"
    camera = make_camera("joe", password)
    address = camera.url.removeprefix("rtsp://")
    wrong = Source("wrong", f"rtsp://joe:sesame@{address}", True)
    right = Source("right", f"rtsp://joe:{quote(password, safe='')}@{address}", True)
    plain = Source("plain", f"rtsp://joe:{password}@{address}", True)
    with Watch(wrong, right, plain) as watch:
        watch.wait_for("right", watch.began, 20)
        watch.wait_for("plain", watch.began, 20)
        time.sleep(6)
    assert watch.counts.lost == {("wrong", Trouble.AUTH): 1}
    assert "auth" in caplog.text
    assert "sesame" not in caplog.text


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "reconnects", [20, pytest.param(200, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_reconnecting_leaks_nothing(reconnects: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble_module, "_FIRST_SECONDS", 0.02)
    used: list[tuple[int, int]] = []  # threads and file descriptors
    memory: list[tuple[float, int]] = []  # seconds and bytes
    with http_camera() as url, Watch(Source("flapping", url, True), keep=10) as watch:
        while (lost := sum(watch.counts.lost.values())) < reconnects:
            used.append((threading.active_count(), len(os.listdir("/proc/self/fd"))))
            memory.append((time.monotonic(), resident_bytes()))
            time.sleep(0.05)
    assert lost >= reconnects
    assert watch.counts.decoded > 3 * reconnects, "it gave frames in between"
    early, late = used[: len(used) // 3], used[len(used) // 3 :]
    for counted in (0, 1):
        slack = 4  # the connection of the moment, on either side of it
        assert max(u[counted] for u in late) <= max(u[counted] for u in early) + slack
    if reconnects >= 200:
        seconds, sizes = np.array(memory[len(memory) // 3 :]).T
        slope = np.polyfit(seconds / 60, sizes / 2**20, 1)[0]
        per_reconnect = slope * 1024 * (seconds[-1] - seconds[0]) / 60 / (reconnects * 2 / 3)
        assert per_reconnect < 6, f"{per_reconnect:.1f} KiB a reconnect; {slope:.1f} MiB a minute"


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(30)
def test_a_call_that_never_returns_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds_module, "_HUNG_SECONDS", 0.5)
    monkeypatch.setattr(rounds_module, "_CHECK_SECONDS", 0.1)
    opened, release, really_open = [], threading.Event(), containers_module.open_video

    def hang_first(source: Source) -> Any:
        opened.append(source)
        if len(opened) == 1:
            release.wait()
        return really_open(source)

    monkeypatch.setattr(sources_module, "open_video", hang_first)
    with http_camera() as url, Watch(Source("hangs", url, True)) as watch:
        watch.wait_for("hangs", watch.began, 10)
        seen = watch.counts.decoded
        release.set()  # the abandoned one wakes up and may not add frames to the new one's
        time.sleep(0.3)
        assert watch.counts.lost["hangs", Trouble.HUNG] == 1
    assert seen > 0
    indices = [frame.index for _, frame in watch.frames["hangs"]]
    assert len(indices) == len(set(indices))


@pytest.mark.timeout(30)
def test_data_without_pictures_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources_module, "_NO_PICTURE_SECONDS", -1.0)
    with http_camera(b_frames=2) as url, Watch(Source("black", url, True)) as watch:
        until = time.monotonic() + 10
        while not watch.counts.lost and time.monotonic() < until:
            time.sleep(0.05)
    assert Trouble.CODEC in [trouble for _, trouble in watch.counts.lost]


def test_back_off_doubles_to_a_limit_and_starts_anew() -> None:
    back_off = BackOff()
    waits = [back_off.wait(Trouble.REFUSED) for _ in range(12)]
    assert 0.4 <= waits[0] <= 0.6
    assert 0.8 <= waits[1] <= 1.2
    assert all(24 <= wait <= 36 for wait in waits[7:])
    back_off.succeeded()
    assert back_off.wait(Trouble.REFUSED) <= 0.6
    assert all(48 <= BackOff().wait(Trouble.AUTH) <= 72 for _ in range(20))


def test_a_successor_goes_on_where_the_frames_ended() -> None:
    with http_camera() as url:
        stop = threading.Event()
        reader = Reader(Source("cut", url, True), stop=stop)
        frames = reader.frames()
        first = [next(frames) for _ in range(5)]
        after = reader.successor().frames()
        second = next(after)
        stop.set()
    assert second.index == first[-1].index + 1
    assert second.media_time > first[-1].media_time
    assert second.epoch == first[-1].epoch + 1
