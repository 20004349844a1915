"""Asks standing questions and tells what it finds, as `stream alerts run` does, until it is killed.

`asker.py DATABASE`: says `ready` when it has begun.
"""

import sys
import threading
from pathlib import Path

from storage.database import make_engine, make_sessions
from stream.alerting import Alerting
from stream.references import Secrets
from stream.telling import Teller


def main() -> None:
    here = Path(__file__).parent
    sessions = make_sessions(make_engine(sys.argv[1]))
    with Alerting(sessions, Teller(Secrets(here), here).send):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
