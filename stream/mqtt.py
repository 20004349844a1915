"""Alerts to an MQTT broker: QoS 1, over TLS with `mqtts`."""

import re
import socket
import ssl
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from storage.channels import TOPIC_FIELDS
from stream.webhook import SendError

TIMEOUT_SECONDS = 10.0
_PORTS = {"mqtt": 1883, "mqtts": 8883}


def publish(url: str, body: bytes, *, fields: dict[str, str], key: str) -> str:
    """Returns when the broker has it; raises `SendError`.

    `fields` fill the topic's `{question}`, `{camera}`, `{verb}` and `{object}`.
    """
    parts = urlsplit(url)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"hoi-{key}")
    client.connect_timeout = TIMEOUT_SECONDS
    if parts.username:
        client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
    if parts.scheme == "mqtts":
        client.tls_set_context(ssl.create_default_context())
    refused: list[str] = []
    client.on_connect = lambda _c, _u, _f, reason, _p: (
        refused.append(str(reason)) if reason.is_failure else None
    )
    try:
        client.connect(parts.hostname or "", parts.port or _PORTS[parts.scheme])
        client.loop_start()
        topic = topic_of(unquote(parts.path).removeprefix("/"), fields)
        sent = client.publish(topic, body, qos=1)
        sent.wait_for_publish(TIMEOUT_SECONDS)
        if not sent.is_published():
            raise SendError(refused[0] if refused else "the broker does not acknowledge it")
    except (OSError, ValueError, RuntimeError) as error:
        raise SendError(_reason(error)) from error
    finally:
        client.disconnect()
        client.loop_stop()
    return f"published to {topic}"


def topic_of(template: str, fields: dict[str, str]) -> str:
    """The topic with its fields filled in; what has a meaning in topics becomes a dash."""
    safe = {name: re.sub(r"[/+#\x00-\x20]+", "-", fields[name]) for name in TOPIC_FIELDS}
    return template.format_map(safe)


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror | ssl.SSLError | OSError):
        return " ".join(str(error.strerror or error).split())
    return " ".join(str(error).split())
