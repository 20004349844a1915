"""Alerts by e-mail, with the picture of the best moment."""

import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

from stream.deadline import dialled
from stream.webhook import SendError

TIMEOUT_SECONDS, TOTAL_SECONDS = 20.0, 45.0  # of silence; of a whole try
_MOST_BYTES = 5_000_000  # of a picture; mail servers take little


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in; `starttls` and `tls` check its certificate."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    sender: str
    user: str | None = None
    password: str | None = None


def compose(
    body: dict[str, Any], *, recipient: str, sender: str, key: str, media: Path
) -> EmailMessage:
    """One mail for a person: the answer, what was asked, and the picture if there is one."""
    question, one = body["question"], body["interaction"]
    message = EmailMessage()
    mark = "TEST: " if body["test"] else ""
    message["Subject"] = f"{mark}{question['name']}: {one['verb']} {one['object_class']}"
    message["From"], message["To"] = sender, recipient
    message["Message-ID"] = f"<{key}@hoi-stream>"  # the same at every try
    message["Auto-Submitted"] = "auto-generated"
    lines = [body["answer"], "", f"question: {question['text']}", f"interaction: {one['id']}"]
    message.set_content("\n".join(lines) + "\n")
    picture = None if one["snapshot"] is None else media / one["snapshot"]
    if picture is not None and picture.is_file() and picture.stat().st_size <= _MOST_BYTES:
        data = picture.read_bytes()
        message.add_attachment(data, maintype="image", subtype="jpeg", filename=picture.name)
    return message


def send_mail(message: EmailMessage, server: MailServer) -> str:
    """Returns when the server has taken it; raises `SendError`."""
    until = time.monotonic() + TOTAL_SECONDS
    try:
        with _speaking(server, until) as client:
            if server.user is not None:
                client.login(server.user, server.password or "")
            client.send_message(message)
            with suppress(OSError, smtplib.SMTPException):  # whatever is said now, it is taken
                client.quit()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        final = all(code >= 500 for code in codes)
        raise SendError(f"{server.host} refuses the recipient", final=final) from error
    except smtplib.SMTPResponseException as error:
        said = (
            error.smtp_error.decode(errors="replace")
            if isinstance(error.smtp_error, bytes)
            else error.smtp_error
        )
        login = isinstance(error, smtplib.SMTPAuthenticationError)  # a password may be mended
        final = error.smtp_code >= 500 and not login
        raise SendError(f"{server.host}: {error.smtp_code} {said}", final=final) from error
    except (OSError, smtplib.SMTPException) as error:
        late = time.monotonic() >= until
        known = f"no answer within {TOTAL_SECONDS:.0f} s" if late else " ".join(str(error).split())
        raise SendError(f"{server.host}: {known}") from error
    return f"taken by {server.host}"


@contextmanager
def _speaking(server: MailServer, until: float) -> Iterator[smtplib.SMTP]:
    """A session that breaks at that monotonic time."""
    context = ssl.create_default_context()
    with dialled(server.host, server.port, until, silence=TIMEOUT_SECONDS) as connection:
        if server.security == "tls":
            connection = context.wrap_socket(connection, server_hostname=server.host)
        with closing(connection), closing(_Client(server, connection)) as client:
            if server.security == "starttls":
                client.starttls(context=context)
            yield client


class _Client(smtplib.SMTP):
    """Over a connection that is there, as `SMTP_SSL` is."""

    def __init__(self, server: MailServer, connection: socket.socket) -> None:
        self._connection = connection
        super().__init__(server.host, server.port)

    def _get_socket(self, _host: str, _port: int, _timeout: float) -> socket.socket:
        return self._connection
