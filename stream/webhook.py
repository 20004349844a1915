"""Alerts by HTTP POST, signed; what an answer means for the next try.

A redirect is not followed, and after the name is resolved and before anything is sent the address
is looked at: link-local ones, where clouds tell their machines' credentials, get nothing.
"""

import base64
import hashlib
import hmac
import http.client
import ipaddress
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, quote, unquote, urlsplit

from stream.deadline import dialled
from stream.errors import StreamError

SIGNATURE, KEY = "X-Hoi-Signature", "Idempotency-Key"
TIMEOUT_SECONDS, TOTAL_SECONDS = 10.0, 30.0  # of silence; of a whole try
_SAFE = "%/?&=+,;:@!$'()*~[]|"  # of a path and query; what is left over is percent-encoded
_LATER = (408, 429)  # of the 4xx: what is wrong is the time, not the request
_LONGEST_WAIT = 86_400.0  # seconds that a Retry-After may ask for
_METADATA = tuple(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200")))


class SendError(StreamError):
    """It was not delivered; `final`: another try would not help, `after`: seconds to wait."""

    def __init__(self, message: str, *, final: bool = False, after: float | None = None) -> None:
        super().__init__(message)
        self.final, self.after = final, after


def sign(secret: str, body: bytes, at: datetime) -> str:
    """`t=<Unix time>,v1=<HMAC-SHA256 over t.body, hex>`; who checks it also looks at `t`."""
    moment = int(at.timestamp())
    signed = f"{moment}.".encode() + body
    return f"t={moment},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def post(
    url: str,
    body: bytes,
    *,
    key: str,
    secret: str | None,
    at: datetime,
    link_local: bool = False,
) -> str:
    """Returns what was answered; raises `SendError`. `key`: the same at every try of an alert."""
    headers = {"Content-Type": "application/json", "User-Agent": "hoi-stream", KEY: key}
    if secret is not None:
        headers[SIGNATURE] = sign(secret, body, at)
    until = time.monotonic() + TOTAL_SECONDS
    try:
        parts = urlsplit(url)
        if parts.username is not None:
            headers["Authorization"] = _basic(parts.username, parts.password or "")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with _connected(parts, until, link_local=link_local) as connection:
            connection.request("POST", quote(target, safe=_SAFE), body, headers)
            answer = connection.getresponse()
            answer.read(1024)  # so that who answers sees it read
            return _judge(answer, at)
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = time.monotonic() >= until
        said = f"no answer within {TOTAL_SECONDS:.0f} s" if late else _reason(error)
        raise SendError(said) from error


def _basic(user: str, password: str) -> str:
    """The `Authorization` of both, which are percent-encoded."""
    plain = f"{unquote(user)}:{unquote(password)}"
    return f"Basic {base64.b64encode(plain.encode()).decode()}"


@contextmanager
def _connected(
    parts: SplitResult, until: float, *, link_local: bool
) -> Iterator[http.client.HTTPConnection]:
    """A connection that breaks at that monotonic time, however slowly it is answered."""
    host, connection = parts.hostname or "", _unconnected(parts)
    with (
        closing(connection),
        dialled(host, connection.port, until, silence=TIMEOUT_SECONDS) as plain,
    ):
        if not link_local:
            _check_peer(str(plain.getpeername()[0]))
        connection.sock = plain
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(plain, server_hostname=host)
        yield connection


def _unconnected(parts: SplitResult) -> http.client.HTTPConnection:
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port)


def _check_peer(address: str) -> None:
    peer = ipaddress.ip_address(address.partition("%")[0])
    peer = getattr(peer, "ipv4_mapped", None) or peer
    if peer.is_link_local or peer.is_multicast or peer in _METADATA:
        raise SendError(
            f"address {peer} is link-local: nothing is sent there (alerts.link_local)", final=True
        )


def _judge(answer: http.client.HTTPResponse, now: datetime) -> str:
    said = f"{answer.status} {answer.reason}".strip()
    if 200 <= answer.status < 300:
        return said
    if 300 <= answer.status < 400:
        host = urlsplit(answer.headers.get("Location", "")).hostname or "another path"
        raise SendError(f"{said} to {host}: redirects are not followed", final=True)
    final = 400 <= answer.status < 500 and answer.status not in _LATER
    raise SendError(said, final=final, after=_retry_after(answer.headers.get("Retry-After"), now))


def _retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds, from a number or a date."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return min(float(text), _LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), _LONGEST_WAIT)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
