"""What becomes of a delivery after a try: delivered, given up, or tried again, and when."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tenacity import RetryCallState, Retrying, wait_exponential_jitter

from storage.delivery_rows import DELIVERED, FAILED, WAITING, Delivery
from stream.errors import StreamError
from stream.webhook import SendError

GIVE_UP = timedelta(days=3)  # after the alert; older news help nobody
_FIRST, _LAST, _JITTER = 1.0, 300.0, 3.0  # seconds
_wait = wait_exponential_jitter(initial=_FIRST, max=_LAST, jitter=_JITTER)


@dataclass(frozen=True)
class Outcome:
    """`next_at`: of the next try, where there is one."""

    state: str
    said: str
    next_at: datetime | None = None


def next_try(delivery: Delivery, send: Callable[[Delivery], str], *, now: datetime) -> Outcome:
    """Try to send it; whatever goes wrong is an outcome. A test is tried once."""
    try:
        return Outcome(DELIVERED, send(delivery))
    except SendError as error:
        said, final, after = str(error), error.final, error.after
    except StreamError as error:  # a secret that is not there yet
        said, final, after = str(error), False, None
    if final or delivery.test:
        return Outcome(FAILED, said)
    if now - delivery.alert_at > GIVE_UP:
        return Outcome(FAILED, f"given up after {GIVE_UP.days} days: {said}")
    pause = max(backoff_seconds(delivery.tries), after or 0.0)
    return Outcome(WAITING, said, now + timedelta(seconds=pause))


def backoff_seconds(tries: int) -> float:
    """How long to wait after so many tries in vain: doubling from a second, with jitter."""
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = tries
    return _wait(state)
