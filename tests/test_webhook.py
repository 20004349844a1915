"""Whatever an address holds and whatever is answered there, a try ends, and its end is told."""

import base64
import socket
import threading
import time
from contextlib import suppress
from email.utils import format_datetime
from pathlib import Path

import pytest

from storage.channels import Channel
from storage.delivery_rows import Delivery
from storage.quiet import AlertError
from stream import mqtt, webhook
from stream.backoff import next_try
from stream.references import Secrets
from stream.telling import Teller
from stream.webhook import SendError, post
from tests.servers.hook import Hook
from tests.test_interactions import NOON

FIELDS = {"question": "q", "camera": "a%7B/+#", "verb": "v", "object": "o"}


class Slow:
    """A server that sends its answer byte by byte."""

    def __init__(self, answer: bytes, pause: float = 0.0, *, waits: bool = True) -> None:
        """`waits`: until it is spoken to."""
        self._answer, self._pause, self._waits = answer, pause, waits
        self._server = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                taken, _ = self._server.accept()
                threading.Thread(target=self._tell, args=(taken,), daemon=True).start()

    def _tell(self, taken: socket.socket) -> None:
        with suppress(OSError), taken:
            if self._waits:
                taken.recv(65_536)
            for byte in self._answer:
                taken.send(bytes([byte]))
                time.sleep(self._pause)
            taken.shutdown(socket.SHUT_WR)
            taken.recv(65_536)

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def teller(tmp_path: Path) -> Teller:
    return Teller(Secrets(tmp_path), tmp_path)


def delivery(url: str) -> Delivery:
    channel = Channel.make(url)
    return Delivery(1, channel.id, channel, {}, NOON, tries=1, test=False)


def test_a_path_and_a_query_may_have_any_letters(hook: Hook) -> None:
    post(f"{hook.url}/tür%20?q=ü&a=b", b"{}", key="k", secret=None, at=NOON)
    assert [hit.path for hit in hook.hits] == ["/hook/t%C3%BCr%20?q=%C3%BC&a=b"]


def test_a_login_in_the_address_is_sent(
    hook: Hook, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOI_SECRET_USER", "joe")
    monkeypatch.setenv("HOI_SECRET_PASSWORD", "pä:ss/word@")
    login = "${HOI_SECRET_USER}:${HOI_SECRET_PASSWORD}"
    teller.send(delivery(hook.url.replace("//", f"//{login}@")))
    (hit,) = hook.hits
    kind, _, token = hit.headers["Authorization"].partition(" ")
    assert (kind, base64.b64decode(token).decode()) == ("Basic", "joe:pä:ss/word@")


@pytest.mark.parametrize(
    ("asked", "after"),
    [
        ("1" + "0" * 400, 86_400),
        (format_datetime(NOON).replace("+0000", "+99999999999999999999"), None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 86_400),
    ],
)
def test_an_absurd_time_to_wait_is_a_day_or_nothing(
    asked: str, after: float | None, hook: Hook
) -> None:
    hook.answers = [(503, {"Retry-After": asked})]
    with pytest.raises(SendError, match="503") as failed:
        post(hook.url, b"{}", key="k", secret=None, at=NOON)
    assert failed.value.after == after


@pytest.mark.parametrize(
    ("scheme", "answer"),
    [
        ("http", b"HTTP/1.1 100 Continue\r\n\r\n" * 20),
        ("https", b"\x16\x03\x03\x40\x00" + bytes(500)),  # the first of 16,384 bytes of a handshake
    ],
)
def test_who_answers_byte_by_byte_is_not_waited_for_longer(
    scheme: str, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TOTAL_SECONDS", 1.0)
    server, began = Slow(answer, pause=0.1), time.monotonic()
    with pytest.raises(SendError, match="no answer within 1 s") as failed:
        post(f"{scheme}://{server.place}/x", b"{}", key="k", secret=None, at=NOON)
    server.close()
    assert not failed.value.final
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "url",
    ["http://[::1/x", "http://127.0.0.1:99999/x", "http://a..b/x", f"http://{'ü' * 300}/x"],
)
def test_an_address_that_a_secret_made_impossible_is_a_failed_try(url: str) -> None:
    with pytest.raises(SendError):
        post(url, b"{}", key="k", secret=None, at=NOON)


def test_a_percent_encoded_brace_in_a_topic_is_no_field() -> None:
    topic = mqtt.topic_of("a/{camera}/%7Bx%7D/{{b}}/t%C3%BCr", FIELDS)
    assert topic == "a/a%7B-/{x}/{b}/tür"


@pytest.mark.parametrize("path", ["%23", "a/%2B", "{question!r}", "{question:d}"])
def test_a_topic_that_no_broker_takes_is_refused(path: str) -> None:
    with pytest.raises(AlertError, match="topic"):
        Channel.make(f"mqtt://broker/{path}")


def test_whatever_goes_wrong_is_an_outcome_with_a_next_try(teller: Teller) -> None:
    outcome = next_try(delivery("mqtt://127.0.0.1:1/{verb}"), teller.send, now=NOON)
    assert (outcome.state, outcome.said) == ("waiting", "KeyError: 'question'")
    assert outcome.next_at is not None


def test_what_is_said_can_be_written_down(teller: Teller) -> None:
    server = Slow(b"HTTP/1.1 500 a\x00b\x1b[31m\r\n\r\n")
    outcome = next_try(delivery(f"http://{server.place}/x"), teller.send, now=NOON)
    server.close()
    assert outcome.said == "500 a b [31m"
