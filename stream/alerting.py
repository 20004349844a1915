"""Standing questions at work: one thread asks them of what is new, a few send what they find.

Everything they know is in the database, so they live in a run or in a process of their own, one or
many, and are killed at any time. A run is the default place: then the verbs that are asked for join
what is scored there, and nobody has to start anything. None of it is on the way of a frame.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from storage.alert_rows import drop_looks, looks_due
from storage.database import Sessions
from storage.delivery_rows import (
    DELIVERED,
    FAILED,
    WAITING,
    Delivery,
    claim,
    due,
    note_attempt,
    waiting_deliveries,
)
from storage.errors import StorageError
from storage.standing import Standing, watched
from storage.standing_rows import all_standing, set_trouble
from storage.watching import OvertakenError, Watched, find, settle
from stream.backoff import next_try

logger = logging.getLogger(__name__)

_OVERTAKEN = 10  # times, until a run that ends asks no more
_LOOK_SECONDS = 1.0  # how old a new question, or a new interaction, becomes before it is noticed
_SENDERS = 3  # a channel that does not answer holds one of them for ten seconds
_JOIN_SECONDS = 15.0

Listen = Callable[[Collection[str]], Collection[str]]  # verbs -> those that cannot be heard


class Send(Protocol):
    def __call__(self, delivery: Delivery) -> str:
        """What the channel said; raises `SendError`."""


@dataclass
class AlertCounts:
    """Since the start; for metrics."""

    made: int = 0
    held: int = 0
    waiting: int = 0  # deliveries, all processes' together
    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)  # kind, state


class Alerting:
    """The threads, started by `with`; leaving sends nothing more and waits for what is being sent.

    `listen`: called with the verbs of the active questions whenever these change.
    """

    def __init__(self, sessions: Sessions, send: Send, *, listen: Listen | None = None) -> None:
        self._sessions, self._send, self._listen = sessions, send, listen
        self.counts = AlertCounts()
        self._asked: list[Standing] | None = None  # at the last look
        self._stop, self._made = threading.Event(), threading.Condition()
        self._failing: set[str] = set()  # threads whose last step failed, and that was told
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Alerting":
        jobs = {"alerts": self._watch} | {f"alerts {n}": self._deliver for n in range(_SENDERS)}
        self._threads = [
            threading.Thread(target=self._run, args=(job,), name=name, daemon=True)
            for name, job in jobs.items()
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with self._made:
            self._made.notify_all()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)

    def look(self) -> Watched:
        """Ask what is active of what is new, once."""
        now = datetime.now(UTC)
        with self._sessions() as session:
            standings = all_standing(session, active=True)
            found = looks_due(session, now=now)
            self.counts.waiting = waiting_deliveries(session)
        self._hear(standings)
        if not found:
            return Watched()
        with self._sessions() as session:
            findings = find(session, now=now)
        try:
            with self._sessions.begin() as session:
                if not standings:
                    drop_looks(session)
                    return Watched()
                step = settle(session, findings, now=now)
        except OvertakenError:
            return Watched(len(findings.looks), more=True, overtaken=True)
        self.counts.made += step.alerts
        self.counts.held += step.held
        return step

    def finish(self) -> None:
        """At the end of a run: ask of its last events, and try once to tell what is found.

        Who is always overtaken leaves the rest to those who overtake.
        """
        try:
            overtaken = 0
            while (step := self.look()).more and overtaken < _OVERTAKEN:
                overtaken += step.overtaken
            while self.send_due():
                pass
        except StorageError as error:
            logger.warning("alerts wait in the database: %s", error)

    def send_due(self) -> bool:
        """Try the first delivery that is due; False: there is none."""
        now = datetime.now(UTC)
        with self._sessions() as session:
            waiting = due(session, now=now)
        for seq in waiting:
            if self._stop.is_set():
                return False
            with self._sessions.begin() as session:
                delivery = claim(session, seq, now=now)
            if delivery is not None:
                self.counts.attempts[delivery.channel.kind, self.attempt(delivery)] += 1
                return True
        return False

    def attempt(self, delivery: Delivery) -> str:
        """One try of a claimed delivery, written to the log; the state it has now."""
        at, began = datetime.now(UTC), time.monotonic()
        outcome = next_try(delivery, self._send, now=at)
        with self._sessions.begin() as session:
            note_attempt(
                session,
                delivery,
                at=at,
                outcome=outcome.said,
                seconds=time.monotonic() - began,
                state=outcome.state,
                next_at=outcome.next_at,
            )
        if outcome.state == FAILED or (outcome.state == WAITING and delivery.tries == 1):
            logger.warning("alert by %s: %s", delivery.channel.kind, outcome.said)
        elif outcome.state == DELIVERED and delivery.tries > 1:
            logger.info("alert by %s: delivered at try %d", delivery.channel.kind, delivery.tries)
        return outcome.state

    def _watch(self) -> None:
        step = self.look()
        if step.alerts:
            with self._made:
                self._made.notify_all()
        if not step.more:
            self._stop.wait(_LOOK_SECONDS)

    def _deliver(self) -> None:
        if not self.send_due() and not self._stop.is_set():
            with self._made:
                self._made.wait(_LOOK_SECONDS)

    def _run(self, job: Callable[[], None]) -> None:
        name = threading.current_thread().name
        while not self._stop.is_set():
            try:
                job()
                self._failing.discard(name)
            except Exception as error:
                if name not in self._failing:
                    self._failing.add(name)
                    known = isinstance(error, StorageError)
                    logger.error("%s: %s", name, error, exc_info=None if known else error)
                self._stop.wait(5 * _LOOK_SECONDS)

    def _hear(self, standings: list[Standing]) -> None:
        """Hand new verbs over, and write down who asks for what is not heard."""
        if self._listen is None or standings == self._asked:
            return
        deaf = frozenset(self._listen(watched(standings)))
        for standing in standings:
            lacking = sorted(standing.verbs & deaf)
            trouble = f"the running bundle does not see: {', '.join(lacking)}" if lacking else None
            if trouble != standing.trouble:
                if trouble is not None:
                    logger.warning("standing question %s: %s", standing.name, trouble)
                with self._sessions.begin() as session:
                    set_trouble(session, standing.id, trouble)
        with self._sessions() as session:
            self._asked = all_standing(session, active=True)
