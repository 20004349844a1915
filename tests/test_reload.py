"""Cameras come and go with the configuration file; HTTP cameras on loopback."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from configs.settings import SettingsError, load
from stream import trouble as trouble_module
from stream.build import wanted_sources
from stream.errors import StreamError
from stream.frames import Frame
from stream.reload import Reloader, reloading
from stream.rounds import Rounds
from stream.stats import FrameCounts
from tests.servers.flapping import http_camera


class Watched:
    """Rounds over the cameras of a file, taken in a thread."""

    def __init__(self, path: Path) -> None:
        def wanted() -> list[object]:
            return wanted_sources(load(path))  # type: ignore[return-value]

        sources = wanted_sources(load(path))
        self.counts = FrameCounts()
        self.rounds = Rounds(sources, counts=self.counts, stay=True)
        self.reloader = Reloader(
            lambda: wanted_sources(load(path)),
            self.rounds,
            sources,
            mistakes=(StreamError, SettingsError),
        )
        self.frames: list[Frame] = []
        self.ended: list[str] = []
        self.thread = threading.Thread(target=self._take)

    def _take(self) -> None:
        for round_ in self.rounds.rounds():
            self.frames += round_.frames
            self.ended += round_.ended

    def epochs(self, camera: str) -> set[int]:
        return {frame.epoch for frame in list(self.frames) if frame.camera == camera}


@pytest.fixture
def camera_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(trouble_module, "_FIRST_SECONDS", 0.05)
    with http_camera() as url:
        yield url


@pytest.fixture
def watched(camera_url: str, tmp_path: Path) -> Iterator[Watched]:
    path = tmp_path / "cameras.yaml"
    path.write_text(f"cameras: [{{name: a, url: '{camera_url}'}}]")
    watched = Watched(path)
    with reloading(watched.reloader, path):
        watched.thread.start()
        wait(lambda: watched.epochs("a"))
        yield watched
    watched.rounds.stop()
    watched.thread.join()


def wait(until: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def test_a_camera_is_added_and_removed_while_the_others_go_on(
    watched: Watched, camera_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "cameras.yaml"
    a, b = (f"{{name: {name}, url: '{camera_url}'}}" for name in "ab")
    path.write_text(f"cameras: [{a}, {b}]")
    wait(lambda: watched.epochs("b"))
    assert watched.ended == []
    before = watched.epochs("a")
    path.write_text(f"cameras: [{b}]")
    wait(lambda: watched.ended == ["a"])
    seen = len(watched.frames)
    wait(lambda: len(watched.frames) > seen + 20)
    assert "a" not in {frame.camera for frame in watched.frames[seen + 2 :]}
    path.write_text(f"cameras: [{a}, {b}]")
    wait(lambda: watched.epochs("a") - before)
    again = [frame for frame in watched.frames if frame.camera == "a"]
    assert [f.index for f in again] == sorted({f.index for f in again}), "numbers go on"
    assert max(watched.epochs("a")) > max(before), "what comes back has tracks of its own"


@pytest.mark.parametrize("text", ["cameras: [", "camras: []", "cameras: [{url: 'ftp://x/y'}]"])
def test_a_wrong_file_changes_nothing(
    watched: Watched, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cameras.yaml").write_text(text)
    wait(lambda: "the cameras stay as they are" in caplog.text)
    seen = len(watched.frames)
    wait(lambda: len(watched.frames) > seen + 20)
    assert watched.ended == []


def test_sighup_reloads_at_once(watched: Watched, camera_url: str, tmp_path: Path) -> None:
    path = tmp_path / "cameras.yaml"
    stamp = path.stat()
    path.write_text(f"cameras: [{{name: b, url: '{camera_url}'}}]")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # the file looks as before
    os.kill(os.getpid(), signal.SIGHUP)
    wait(lambda: watched.ended == ["a"] and watched.epochs("b"), 5)


def test_without_a_camera_the_run_waits_for_one(
    watched: Watched, camera_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "cameras.yaml"
    path.write_text("cameras: []")
    wait(lambda: watched.ended == ["a"])
    time.sleep(0.3)
    assert watched.thread.is_alive()
    path.write_text(f"cameras: [{{name: c, url: '{camera_url}'}}]")
    wait(lambda: watched.epochs("c"))
