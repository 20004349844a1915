"""A try ends before its delivery may be tried by another, however slowly a server answers."""

import time
from email.message import EmailMessage
from typing import Any, Literal

import pytest
from aiosmtpd.controller import Controller

from storage.delivery_rows import LEASE
from stream import mail, mqtt, webhook
from stream.mail import MailServer, send_mail
from stream.webhook import SendError
from tests.conftest import free_port
from tests.test_alerts import FIELDS, Mailbox
from tests.test_webhook import Slow

HANDSHAKE = b"\x16\x03\x03\x40\x00" + bytes(500)  # the first of 16,384 bytes
GREETING = b"220-still here\r\n" * 40
CONNACK = b"\x20\xff\xff\xff\x7f" + bytes(500)  # the first of 268,435,455 bytes
RESOLVER_SECONDS = 30.0  # glibc's, for a name of which no server answers


def server_at(place: str, security: Literal["none", "tls"]) -> MailServer:
    host, _, port = place.partition(":")
    return MailServer(host, int(port), security, "hoi@example.org")


def make_mail() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "hoi@example.org", "you@example.org"
    message.set_content("boxes")
    return message


@pytest.mark.parametrize(("security", "answer"), [("none", GREETING), ("tls", HANDSHAKE)])
def test_a_mail_server_that_answers_byte_by_byte_is_not_waited_for_longer(
    security: Literal["none", "tls"], answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "TOTAL_SECONDS", 1.0)
    server, began = Slow(answer, pause=0.1, waits=False), time.monotonic()
    with pytest.raises(SendError, match="no answer within 1 s") as failed:
        send_mail(make_mail(), server_at(server.place, security))
    server.close()
    assert not failed.value.final
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(("scheme", "answer"), [("mqtt", CONNACK), ("mqtts", HANDSHAKE)])
def test_a_broker_that_answers_byte_by_byte_is_not_waited_for_longer(
    scheme: str, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "TOTAL_SECONDS", 1.0)
    server, began = Slow(answer, pause=0.1), time.monotonic()
    with pytest.raises(SendError, match=r"no answer within 1 s|does not answer") as failed:
        mqtt.publish(f"{scheme}://{server.place}/x", b"{}", fields=FIELDS, key="k")
    server.close()
    assert not failed.value.final
    assert time.monotonic() - began < 10


def test_a_try_is_over_before_another_may_make_it() -> None:
    """A name that cannot be looked up is the one thing that no connection's end ends."""
    longest = max(one.TOTAL_SECONDS for one in (webhook, mqtt, mail))
    assert longest + RESOLVER_SECONDS < LEASE.total_seconds()


class Rude(Mailbox):
    """Takes a mail, and has no good word for who leaves."""

    async def handle_QUIT(self, _server: Any, _session: Any, _envelope: Any) -> str:
        return "500 no"


def test_a_mail_that_was_taken_is_delivered_whatever_is_said_afterwards() -> None:
    mailbox = Rude()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        said = send_mail(make_mail(), server_at(f"127.0.0.1:{controller.port}", "none"))
    finally:
        controller.stop()
    assert (said, len(mailbox.messages)) == ("taken by 127.0.0.1", 1)
