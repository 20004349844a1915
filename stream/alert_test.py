"""A marked alert by every channel of a standing question, now, and what the channels said."""

import time
from datetime import UTC, datetime

from storage.alerts import add_test
from storage.database import Sessions
from storage.delivery_rows import Attempt, claim, delivery_log, due
from storage.standing_rows import get_standing
from stream.alerting import Alerting
from stream.errors import StreamError

_PATIENCE = 60.0  # seconds in which a run that was faster tells how it went
_POLL = 0.2


def send_test(sessions: Sessions, alerting: Alerting, name: str) -> list[Attempt]:
    """One try a channel: ours, or that of a run that takes it before us."""
    now = datetime.now(UTC)
    with sessions.begin() as session:
        standing = get_standing(session, name)
        if not standing.channels:
            raise StreamError(f"{name} has no channel: give --to")
        alert = add_test(session, standing, now=now)
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with sessions() as session:
            waiting = due(session, now=now, alert=alert)
        for seq in waiting:
            with sessions.begin() as session:
                delivery = claim(session, seq, now=now)
            if delivery is not None:
                alerting.attempt(delivery)
        with sessions() as session:
            log = delivery_log(session, alert=alert)
        if len(log) >= len(standing.channels):
            return log
        time.sleep(_POLL)
    raise StreamError(
        f"{name}: a run has taken the test and does not tell how it went: see stream alerts log"
    )
