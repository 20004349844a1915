"""An HTTP server on loopback that takes webhooks and answers what it is told to."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Hit:
    """A request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int  # of the answer

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def key(self) -> str:
        return self.headers["Idempotency-Key"]


class Hook:
    """`answers` are given one after the other, the last one for ever: a status and headers."""

    def __init__(self, port: int = 0) -> None:
        self.hits: list[Hit] = []
        self.answers: list[tuple[int, dict[str, str]]] = [(200, {})]
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answers = hook.answers
                status, headers = answers.pop(0) if len(answers) > 1 else answers[0]
                hook.hits.append(Hit(self.path, dict(self.headers), body, status))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Silence."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def taken(self) -> list[Hit]:
        """Those that were answered well."""
        return [hit for hit in self.hits if hit.status < 300]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
