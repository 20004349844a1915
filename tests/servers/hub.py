"""A stand-in of a model hub on loopback: one repository, files with SHA-256, ranges, cut lines."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """`cut`: this many bytes of a download, then the connection breaks; None: never.

    With `silent` it does not break: nothing more comes.
    """

    def __init__(self, repo: str, files: dict[str, bytes]) -> None:
        self.repo = repo
        self.files: dict[str, bytes] = {}
        self.sha256: dict[str, str] = {}
        for name, data in files.items():
            self.replace(name, data)
        self.cut: int | None = None
        self.silent = threading.Event()
        self.ranges: list[str] = []  # asked for
        self.sent = 0  # bytes of files

    def replace(self, name: str, data: bytes) -> None:
        """Publish a file anew, with its own SHA-256."""
        self.files[name] = data
        self.sha256[name] = hashlib.sha256(data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.startswith(f"/api/models/{self.hub.repo}"):
            self._json({"id": self.hub.repo, "sha": COMMIT, "siblings": self._rows()})
        elif path.startswith(f"/{self.hub.repo}/resolve/"):
            self._file(path.rpartition("/")[2], body=True)
        else:
            self.send_error(404)

    def do_HEAD(self) -> None:
        self._file(self.path.rpartition("/")[2], body=False)

    def _rows(self) -> list[dict[str, object]]:
        return [
            {
                "rfilename": name,
                "size": len(data),
                "blobId": COMMIT,
                "lfs": {"sha256": self.hub.sha256[name], "size": len(data), "pointerSize": 130},
            }
            for name, data in self.hub.files.items()
        ]

    def _json(self, value: object) -> None:
        text = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _file(self, name: str, *, body: bool) -> None:
        data, start = self.hub.files[name], 0
        wanted = self.headers.get("Range")
        if body and wanted is not None:
            self.hub.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{self.hub.sha256[name]}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if not body:
            return
        end = len(data) if self.hub.cut is None else start + self.hub.cut
        with suppress(OSError):
            self.wfile.write(data[start:end])
        self.hub.sent += min(end, len(data)) - start
        if end < len(data):
            while self.hub.silent.is_set():
                time.sleep(0.05)
            self.hub.cut = None
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def model_hub(hub: Hub) -> Iterator[str]:
    """The URL of a running one."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
