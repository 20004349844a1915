"""Takes alerts by webhook: checks the signature and its age, drops what it has had before.

    HOI_SECRET_GATE=... python receiver.py 8080

It needs the standard library alone.
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WINDOW_SECONDS = 300  # an older signature may be a replay


def verify(secret: str, header: str, body: bytes, now: float) -> bool:
    """Is this `X-Hoi-Signature` of these bytes, and from just now?"""
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    moment, given = parts.get("t", ""), parts.get("v1", "")
    if not moment.isdecimal() or abs(now - int(moment)) > WINDOW_SECONDS:
        return False
    signed = f"{moment}.".encode() + body
    wanted = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted.encode(), given.encode())


class Receiver(BaseHTTPRequestHandler):
    seen: set[str] = set()  # noqa: RUF012  # of all requests; keep them in a database of yours

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        header = self.headers.get("X-Hoi-Signature", "")
        if not verify(os.environ["HOI_SECRET_GATE"], header, body, time.time()):
            self.send_error(401, "wrong signature")
            return
        key = self.headers["Idempotency-Key"]
        if key not in self.seen:
            self.seen.add(key)
            sys.stdout.write(json.loads(body)["answer"] + "\n")
            sys.stdout.flush()
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
