"""What can be wrong with a live source, and how long to wait before it is tried again."""

import random
from enum import StrEnum

_FIRST_SECONDS, _LAST_SECONDS, _AUTH_SECONDS = 0.5, 30.0, 60.0
_JITTER = 0.2  # share: cameras that were lost together do not all come back together


class Trouble(StrEnum):
    """Why a live source gives no frames."""

    AUTH = "auth"  # user name or password refused
    REFUSED = "refused"  # nobody listens there
    TIMEOUT = "timeout"  # no answer, or no more data
    NOT_FOUND = "not_found"  # the server knows no such stream; the device is not there
    TLS = "tls"  # the secured connection could not be made
    CODEC = "codec"  # data comes, and no picture can be made of it
    NETWORK = "network"  # any other error of the connection
    ENDED = "ended"  # the server closed the stream in order
    HUNG = "hung"  # a call into FFmpeg did not come back


class BackOff:
    """Doubling waits with jitter; a password that is refused is not tried at the door again and
    again, for cameras lock their users out."""

    def __init__(self) -> None:
        self._failures = 0

    def succeeded(self) -> None:
        """A frame came: the next trouble is a first one."""
        self._failures = 0

    def wait(self, trouble: Trouble) -> float:
        """Seconds until the next try."""
        first = _AUTH_SECONDS if trouble is Trouble.AUTH else _FIRST_SECONDS
        seconds = min(first * 2.0**self._failures, max(first, _LAST_SECONDS))
        self._failures = min(self._failures + 1, 16)
        return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)
