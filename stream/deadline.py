"""A connection that ends in time, however slowly it is answered.

A try that took longer than its delivery is claimed for would be made by another sender as well.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress


@contextmanager
def dialled(host: str, port: int, until: float, *, silence: float) -> Iterator[socket.socket]:
    """A connection that breaks at that monotonic time; `silence`: seconds without a word.

    TLS may take it over.
    """
    with ExitStack() as open_things:
        plain = open_things.enter_context(_dial(host, port, until, silence))
        handle = open_things.enter_context(plain.dup())  # TLS takes the other over
        end = threading.Timer(until - time.monotonic(), _break, [handle])
        end.daemon = True
        end.start()
        open_things.callback(end.cancel)
        yield plain


def _dial(host: str, port: int, until: float, silence: float) -> socket.socket:
    """The first of its addresses that answers."""
    failed: OSError = TimeoutError("timed out")
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in found:
        if (left := until - time.monotonic()) <= 0:
            break
        made = socket.socket(family, kind, protocol)
        made.settimeout(min(silence, left))
        try:
            made.connect(address)
        except OSError as error:
            made.close()
            failed = error
        else:
            made.settimeout(silence)
            return made
    raise failed


def _break(connection: socket.socket) -> None:
    with suppress(OSError):  # it is over already
        connection.shutdown(socket.SHUT_RDWR)
