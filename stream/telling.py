"""Sends a delivery by the channel that its URL names."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from storage.delivery_rows import Delivery
from stream import mqtt
from stream.addresses import redact
from stream.errors import StreamError
from stream.mail import MailServer, compose, send_mail
from stream.references import Secrets
from stream.webhook import SendError, post

_MOST_SAID = 300  # characters of what a server says


class Teller:
    """`send` is what `Alerting` takes. Whatever a channel says is freed of secrets."""

    def __init__(
        self,
        secrets: Secrets,
        media: Path,
        *,
        mail: MailServer | None = None,
        mail_password: str | None = None,
        link_local: bool = False,
    ) -> None:
        """`mail_password`: its reference."""
        self._secrets, self._media, self._link_local = secrets, media, link_local
        self._mail, self._mail_password = mail, mail_password

    def send(self, delivery: Delivery) -> str:
        """Raises `SendError`, and `StreamError` for a secret that is not there."""
        try:
            return self._clean(self._by_kind(delivery))
        except SendError as error:
            said = self._clean(str(error))
            raise SendError(said, final=error.final, after=error.after) from None
        except StreamError:
            raise
        except Exception as error:  # whatever it is, it is tried again, and the log tells of it
            raise SendError(self._clean(f"{type(error).__name__}: {error}")) from None

    def _by_kind(self, delivery: Delivery) -> str:
        channel, key = delivery.channel, str(delivery.id)
        if channel.kind == "mail":
            return self._send_mail(delivery)
        url, body = self._secrets.fill_in(channel.url), _encode(delivery)
        if channel.kind == "mqtt":
            return mqtt.publish(url, body, fields=topic_fields(delivery), key=key)
        secret = None if channel.secret is None else self._secrets.look_up(channel.secret)
        now = datetime.now(UTC)
        return post(url, body, key=key, secret=secret, at=now, link_local=self._link_local)

    def _send_mail(self, delivery: Delivery) -> str:
        server = self._mail
        if server is None:
            raise SendError("alerts.mail.host is not set")
        if self._mail_password is not None:
            server = replace(server, password=self._secrets.look_up(self._mail_password))
        recipient = delivery.channel.url.removeprefix("mailto:")
        message = compose(
            delivery.body,
            recipient=recipient,
            sender=server.sender,
            key=str(delivery.id),
            media=self._media,
        )
        return send_mail(message, server)

    def _clean(self, text: str) -> str:
        said = redact(self._secrets.hide(text))[:_MOST_SAID]
        return "".join(c if c.isprintable() else " " for c in said)  # no database takes all


def topic_fields(delivery: Delivery) -> dict[str, str]:
    question, one = delivery.body["question"], delivery.body["interaction"]
    return {
        "question": question["name"],
        "camera": one["camera"],
        "verb": one["verb"],
        "object": one["object_class"],
    }


def _encode(delivery: Delivery) -> bytes:
    return json.dumps(delivery.body, ensure_ascii=False, separators=(",", ":")).encode()
