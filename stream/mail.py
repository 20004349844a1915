"""Alerts by e-mail, with the picture of the best moment."""

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

from stream.webhook import SendError

TIMEOUT_SECONDS = 20.0
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
    try:
        with _connect(server) as client:
            if server.user is not None:
                client.login(server.user, server.password or "")
            client.send_message(message)
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
        raise SendError(f"{server.host}: {' '.join(str(error).split())}") from error
    return f"taken by {server.host}"


def _connect(server: MailServer) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_SECONDS, context=context)
    client = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
    if server.security == "starttls":
        client.starttls(context=context)
    return client
