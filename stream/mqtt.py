"""Alerts to an MQTT broker: QoS 1, over TLS with `mqtts`."""

import queue
import re
import ssl
import string
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

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
    answers: queue.Queue[ReasonCode] = queue.Queue()
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.put(reason)
    try:
        client.connect(parts.hostname or "", parts.port or _PORTS[parts.scheme])
        client.loop_start()
        answer = answers.get(timeout=TIMEOUT_SECONDS)
        if answer.is_failure:
            raise SendError(f"the broker refuses: {answer}")
        topic = topic_of(parts.path.removeprefix("/"), fields)
        sent = client.publish(topic, body, qos=1)
        sent.wait_for_publish(TIMEOUT_SECONDS)
        if not sent.is_published():
            raise SendError("the broker does not acknowledge it")
    except queue.Empty as error:
        raise SendError("the broker does not answer") from error
    except (OSError, ValueError, RuntimeError) as error:
        raise SendError(_reason(error)) from error
    finally:
        client.disconnect()
        client.loop_stop()
    return f"published to {topic}"


def topic_of(template: str, fields: dict[str, str]) -> str:
    """The topic with its fields filled in; what has a meaning in topics becomes a dash.

    `template`: of a URL; percent-encoded braces are no field.
    """
    safe = {name: re.sub(r"[/+#\x00-\x20]+", "-", fields[name]) for name in TOPIC_FIELDS}
    parts = string.Formatter().parse(template)
    return "".join(unquote(text) + (safe[name] if name else "") for text, name, _, _ in parts)


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())
