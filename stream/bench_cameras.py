"""`stream bench cameras`: how many cameras this machine carries, with real RTSP on loopback."""

import resource
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from models.world.clip import write_clip
from stream.build import Run
from stream.errors import StreamError
from stream.stats import Latency

Open = Callable[[Sequence[str], Path], AbstractContextManager[Run]]

_SEED = 10_100  # of the first clip; no model was trained on it
_START_SECONDS = 20.0  # for all cameras to give their first frame
_SCRIPT = Path(__file__).with_name("rtsp_camera.py")
_SYSTEM_PYTHON = "/usr/bin/python3"  # GStreamer's bindings are the system's


@dataclass(frozen=True)
class Load:
    """What a number of cameras came to; rates per camera and second, times in milliseconds."""

    cameras: int
    decoded: float
    scored: float  # of the camera that got least
    dropped: float
    median: float  # from the picture taken to its events kept, the filter's own delay apart
    p95: float
    p99: float
    detect: float  # of a frame
    batch: float  # frames in a call of the detector
    cores: float  # processor seconds a second, without the cameras' own
    bottleneck: str


def bench_cameras(numbers: Sequence[int], open_cameras: Open, *, seconds: float) -> Iterator[Load]:
    """One measurement for each number of cameras.

    `open_cameras` runs the pipeline over addresses, with a folder for what it keeps; the cameras
    are called `camera0`, `camera1` and so on.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = [folder / f"{n}.mp4" for n in range(max(numbers))]
        for n, clip in enumerate(clips):
            write_clip(clip, _SEED + n, seconds + 2 * _START_SECONDS, live=True)
        for number in numbers:
            with ExitStack() as cameras:
                urls = [cameras.enter_context(_camera(clip)) for clip in clips[:number]]
                with open_cameras(urls, folder / str(number)) as run:
                    yield _measure(run, len(urls), seconds=seconds)


def _measure(run: Run, cameras: int, *, seconds: float) -> Load:
    latency, opened = Latency(), time.monotonic()
    began: float | None = None
    before: Counter[tuple[str, str]] = Counter()
    used = timed = items = calls = 0.0
    detect = run.numbers.timings["detect"]
    for round_ in run.rounds:
        now = time.monotonic()
        if began is None:
            if len(run.counts.ages()) == cameras:
                began, before = now, Counter(run.counts.fates())
                used, timed = _processor_seconds(), detect.seconds
                items, calls = detect.items, detect.calls
            elif now - opened > _START_SECONDS:
                raise StreamError(f"only {len(run.counts.ages())} of {cameras} cameras came")
            continue
        kept = datetime.now(UTC)
        for frame in round_.frames:
            latency.add((kept - frame.frame.wall_time).total_seconds())
        if now - began >= seconds:
            break
    elapsed = time.monotonic() - (began or 0.0)
    after = Counter(run.counts.fates())
    used = _processor_seconds() - used
    timed, items, calls = detect.seconds - timed, detect.items - items, detect.calls - calls
    bottleneck = str(run.summary()["bottleneck"])
    run.stop()
    for _ in run.rounds:
        pass
    gained = after - before
    names = [f"camera{n}" for n in range(cameras)]

    def rate(fate: str, camera: str) -> float:
        of_camera = [n for (c, f), n in gained.items() if c == camera and f.startswith(fate)]
        return sum(of_camera) / elapsed

    median, p95, p99 = (1000 * value for value in latency.percentiles(50, 95, 99))
    return Load(
        cameras=cameras,
        decoded=sum(rate("decoded", name) for name in names) / len(names),
        scored=min(rate("scored", name) + rate("gated", name) for name in names),
        dropped=sum(rate("dropped", name) for name in names) / len(names),
        median=median,
        p95=p95,
        p99=p99,
        detect=1000 * timed / max(items, 1),
        batch=items / max(calls, 1),
        cores=used / elapsed,
        bottleneck=bottleneck,
    )


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def _camera(clip: Path) -> Iterator[str]:
    """A local RTSP camera that plays the clip; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [_SYSTEM_PYTHON, str(_SCRIPT), str(port), "--clip", str(clip)]
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError as error:
        raise StreamError(f"{_SYSTEM_PYTHON}: {error.strerror}") from error
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise StreamError(
                "GStreamer's RTSP server is not installed: apt-get install python3-gi "
                "gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
            )
        yield f"rtsp://127.0.0.1:{port}/live"
    finally:
        process.kill()
        process.communicate()
