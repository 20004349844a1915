"""Alerts by HTTP POST, signed; what an answer means for the next try.

A redirect is not followed, and after the name is resolved and before anything is sent the address
is looked at: link-local ones, where clouds tell their machines' credentials, get nothing.
"""

import hashlib
import hmac
import http.client
import ipaddress
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from stream.errors import StreamError

SIGNATURE, KEY = "X-Hoi-Signature", "Idempotency-Key"
TIMEOUT_SECONDS = 10.0
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
    parts = urlsplit(url)
    connection = _connect(parts.scheme, parts.hostname or "", parts.port)
    try:
        connection.connect()
        if not link_local:
            _check_peer(str(connection.sock.getpeername()[0]))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        answer.read(1024)  # so that who answers sees it read
        return _judge(answer, at)
    except (OSError, http.client.HTTPException) as error:
        raise SendError(_reason(error)) from error
    finally:
        connection.close()


def _connect(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=context)
    return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)


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
    try:
        seconds = float(int(text))
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
