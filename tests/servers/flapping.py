"""An HTTP camera that sends half a second of video at every connection, then closes it."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np


class Flapping(BaseHTTPRequestHandler):
    """Sends half a second of video, then closes the connection."""

    video = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        self.wfile.write(self.video)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def http_camera(*, b_frames: int = 0) -> Iterator[str]:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": str(b_frames)})
        stream.width, stream.height = 64, 48
        for n in range(12):
            image = np.full((48, 64, 3), 20 * n, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    handler = type("Handler", (Flapping,), {"video": buffer.getvalue()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/live"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
