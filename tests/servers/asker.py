"""Asks standing questions and tells what it finds, like `stream alerts run`, until it is killed."""

import threading
from multiprocessing.connection import Connection
from pathlib import Path

from storage.database import make_engine, make_sessions
from stream.alerting import Alerting
from stream.references import Secrets
from stream.telling import Teller


def ask_until_killed(database: str, begun: Connection) -> None:
    """Says `ready` to `begun` when it asks."""
    here = Path(__file__).parent
    sessions = make_sessions(make_engine(database))
    with Alerting(sessions, Teller(Secrets(here), here).send):
        begun.send("ready")
        threading.Event().wait()
