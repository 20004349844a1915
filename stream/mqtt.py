"""Alerts to an MQTT broker: QoS 1, over TLS with `mqtts`."""

import re
import socket
import ssl
import string
import time
from collections.abc import Callable
from urllib.parse import SplitResult, unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from storage.channels import TOPIC_FIELDS
from stream.deadline import dialled
from stream.webhook import SendError

TIMEOUT_SECONDS, TOTAL_SECONDS = 10.0, 30.0  # of silence; of a whole try
_PORTS = {"mqtt": 1883, "mqtts": 8883}


def publish(url: str, body: bytes, *, fields: dict[str, str], key: str) -> str:
    """Returns when the broker has it; raises `SendError`.

    `fields` fill the topic's `{question}`, `{camera}`, `{verb}` and `{object}`.
    """
    parts, until = urlsplit(url), time.monotonic() + TOTAL_SECONDS
    topic = topic_of(parts.path.removeprefix("/"), fields)
    try:
        port = parts.port or _PORTS[parts.scheme]
        with dialled(parts.hostname or "", port, until, silence=TIMEOUT_SECONDS) as connection:
            client = _Client(connection, parts, key)
            client.connect(parts.hostname or "", port)
            try:
                client.speak_until(client.is_connected, until, "the broker does not answer")
                sent = client.publish(topic, body, qos=1)
                client.speak_until(sent.is_published, until, "the broker does not acknowledge it")
            finally:
                client.disconnect()
    except (OSError, ValueError, RuntimeError) as error:
        late = time.monotonic() >= until
        said = f"no answer within {TOTAL_SECONDS:.0f} s" if late else _reason(error)
        raise SendError(said) from error
    return f"published to {topic}"


class _Client(paho.Client):
    """Speaks in the thread of who calls, over a connection that is there."""

    def __init__(self, connection: socket.socket, parts: SplitResult, key: str) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id=f"hoi-{key}")
        self._connection = connection
        self.connect_timeout = TIMEOUT_SECONDS
        self.on_connect = self._note
        self._refused: ReasonCode | None = None
        if parts.username:
            self.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            self.tls_set_context(ssl.create_default_context())

    def speak_until(self, done: Callable[[], bool], until: float, failed: str) -> None:
        """Raises `SendError` if it is not done in time or the broker refuses."""
        until = min(until, time.monotonic() + TIMEOUT_SECONDS)
        while not done():
            left = until - time.monotonic()
            lost = left <= 0 or self.loop(left) != paho.MQTT_ERR_SUCCESS
            if self._refused is not None:
                raise SendError(f"the broker refuses: {self._refused}")
            if lost and not done():
                raise SendError(failed)

    def _create_socket_connection(self) -> socket.socket:
        return self._connection

    def _note(
        self, _c: object, _data: object, _flags: object, answer: ReasonCode, _p: object
    ) -> None:
        self._refused = answer if answer.is_failure else None


def topic_of(template: str, fields: dict[str, str]) -> str:
    """The topic with its fields filled in; what has a meaning in topics becomes a dash.

    `template`: of a URL; percent-encoded braces are no field.
    """
    safe = {name: re.sub(r"[/+#\x00-\x20]+", "-", fields[name]) for name in TOPIC_FIELDS}
    parts = string.Formatter().parse(template)
    return "".join(unquote(text) + (safe[name] if name else "") for text, name, _, _ in parts)


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())
