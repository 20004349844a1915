"""The part of the composition root that sends alerts: `stream alerts run` loads no network."""

from configs.settings import Settings
from stream.mail import MailServer
from stream.references import Secrets
from stream.telling import Teller


def make_teller(settings: Settings) -> Teller:
    """What sends alerts."""
    given = settings.alerts
    server = given.mail
    mail = None
    if server.host is not None:
        mail = MailServer(
            server.host, server.port, server.security, server.sender, user=server.user
        )
    return Teller(
        Secrets(given.secrets),
        settings.media,
        mail=mail,
        mail_password=server.password,
        link_local=given.link_local,
    )
