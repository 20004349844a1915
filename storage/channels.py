"""Where alerts go, as a URL without secrets: these are named, and looked up when they are needed.

    https://example.org/hook              webhook
    mqtts://${HOI_SECRET_USER}:${HOI_SECRET_PASSWORD}@broker/hoi/alerts/{question}/{camera}
    mailto:someone@example.org            by the mail server of the settings

A secret is an environment variable whose name begins with HOI_SECRET_, or a file in the folder of
secrets: nobody who may only write a question can have another secret of this machine sent away.
"""

import re
import string
import uuid
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from storage.quiet import AlertError

KINDS = {
    **{"http": "webhook", "https": "webhook", "mqtt": "mqtt", "mqtts": "mqtt"},
    "mailto": "mail",
}
TOPIC_FIELDS = frozenset(("question", "camera", "verb", "object"))
VARIABLE = re.compile(r"\$\{(\w+)\}")
PREFIX = "HOI_SECRET_"
_SECRET_KEY = re.compile(r"pass|pwd|token|key|secret|auth|sig", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+")
_REFERENCE = re.compile(rf"env:{PREFIX}\w+|file:\w[\w.-]*")


@dataclass(frozen=True)
class Channel:
    """`secret` names what signs a webhook: `env:HOI_SECRET_X` or `file:NAME`."""

    id: uuid.UUID
    url: str
    secret: str | None = None

    @property
    def kind(self) -> str:
        return KINDS[self.url.partition(":")[0]]

    @classmethod
    def make(cls, url: str, secret: str | None = None) -> "Channel":
        """A new one; raises `AlertError` if it cannot be used or holds a secret."""
        scheme = url.partition(":")[0]
        if scheme not in KINDS:
            known = "https://..., mqtt://host/topic or mailto:someone@example.org"
            raise AlertError(f"a channel cannot begin with {scheme!r}: write {known}")
        if any(ord(c) <= 32 or ord(c) == 127 for c in url) or len(url) > 2000:
            raise AlertError("a channel is one URL without spaces, of at most 2000 characters")
        for name in VARIABLE.findall(url):
            if not name.startswith(PREFIX):
                raise AlertError(f"${{{name}}}: a secret's name begins with {PREFIX}")
        _CHECKS[KINDS[scheme]](url)
        if secret is not None:
            if KINDS[scheme] != "webhook":
                raise AlertError("only a webhook is signed: the secret belongs to no other channel")
            check_reference(secret)
        return cls(uuid.uuid4(), url, secret)


def check_reference(reference: str) -> None:
    if not _REFERENCE.fullmatch(reference):
        raise AlertError(f"a secret is given by name: env:{PREFIX}NAME or file:NAME")


def _check_web(url: str) -> None:
    _check_host(url)


def _check_mqtt(url: str) -> None:
    parts = _check_host(url)
    topic = parts.path.removeprefix("/")
    try:
        found = [part for part in string.Formatter().parse(topic) if part[1] is not None]
    except ValueError as error:
        raise AlertError(f"topic {topic!r}: {error}") from error
    known = all(name in TOPIC_FIELDS and not (shape or how) for _, name, shape, how in found)
    wild = "#" in url or not {"#", "+"}.isdisjoint(unquote(topic))
    if not topic or wild or not known or parts.query:
        names = ", ".join(f"{{{name}}}" for name in sorted(TOPIC_FIELDS))
        raise AlertError(f"give a topic without # and +, as mqtt://host/hoi/alerts; in it {names}")


def _check_mail(url: str) -> None:
    if not _ADDRESS.fullmatch(url.removeprefix("mailto:")) or VARIABLE.search(url):
        raise AlertError("write mailto:someone@example.org, one address a channel")


def _check_host(url: str) -> SplitResult:
    """With a host, and nothing secret in clear."""
    try:
        parts = urlsplit(VARIABLE.sub("", url))
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise AlertError(f"a channel's address cannot be read: {error}") from error
    if not host and not VARIABLE.search(urlsplit(url).netloc):
        raise AlertError("a channel's address has no host")
    words = [pair.partition("=") for pair in parts.query.split("&")]
    if parts.username or parts.password or any(v and _SECRET_KEY.search(k) for k, _, v in words):
        raise AlertError(
            f"a secret does not stand in the URL: write ${{{PREFIX}NAME}} in its place"
        )
    return parts


_CHECKS = {"webhook": _check_web, "mqtt": _check_mqtt, "mail": _check_mail}
