"""Moves events from the outbox to each sink at the sink's own pace, for as long as it takes."""

import hashlib
import logging
import random
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy.orm import Session, sessionmaker

from storage.alert_rows import note_new
from storage.bus import Bus
from storage.errors import RefusedError, StorageError
from storage.interactions import Interaction
from storage.outbox import Outbox, OutboxRow
from storage.pair_vectors import PairVector
from storage.repository import add_interactions, close_crashed
from storage.track_rows import add_pair_vectors, add_tracks
from storage.tracks import Track

logger = logging.getLogger(__name__)

_BATCH = 1000  # rows in one transaction
_LOOK_SECONDS = 0.1  # how often a flush looks whether a sink still fails
_IDLE_SECONDS = 1.0  # how often an idle sink looks whether it should stop
_FIRST_RETRY, _LAST_RETRY = 0.1, 30.0  # seconds


class Sink(Protocol):
    """Somewhere events go. Two runs that mean the same place give it the same name."""

    name: str

    def send(self, rows: Sequence[OutboxRow], *, in_doubt: bool) -> None:
        """Take all rows or raise; `in_doubt`: an earlier try may have come through."""


class DatabaseSink:
    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions
        with sessions() as session:
            url = session.get_bind().engine.url
        self.name = "database " + _digest(url.render_as_string(hide_password=True))

    def send(self, rows: Sequence[OutboxRow], *, in_doubt: bool) -> None:  # noqa: ARG002
        with self._sessions.begin() as session:
            records = [row.record for row in rows]
            interactions = [r for r in records if isinstance(r, Interaction)]
            add_interactions(session, interactions=interactions)
            note_new(session, interactions, now=datetime.now(UTC))
            add_tracks(session, tracks=[r for r in records if isinstance(r, Track)])
            add_pair_vectors(session, vectors=[r for r in records if isinstance(r, PairVector)])


class RedisSink:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.name = "redis " + _digest(bus.shown)

    def send(self, rows: Sequence[OutboxRow], *, in_doubt: bool) -> None:
        rows = [row for row in rows if isinstance(row.record, Interaction)]
        rows = self._bus.missing(rows) if in_doubt and rows else rows
        if rows:
            self._bus.publish(rows)


@dataclass(frozen=True)
class SinkState:
    """`waiting` close to 0: the sink keeps up. `error`: why it does not, None when it is well."""

    waiting: int
    refused: int
    error: str | None


class Relay:
    """A thread per sink, started by `with`; leaving does not wait for the sinks, `flush` does."""

    def __init__(self, outbox: Outbox, sinks: Sequence[Sink]) -> None:
        self._outbox = outbox
        self._sinks = list(sinks)
        self._names = [sink.name for sink in sinks]
        self._cursors = outbox.register(self._names)
        self._refused = dict.fromkeys(self._names, 0)
        self._errors: dict[str, str | None] = dict.fromkeys(self._names)
        self._failures = dict.fromkeys(self._names, 0)  # tries in vain
        self._stop, self._hurry = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Relay":
        self._threads = [
            threading.Thread(target=self._run, args=(sink,), name=f"relay {sink.name}", daemon=True)
            for sink in self._sinks
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._hurry.set()
        self._outbox.wake()
        for thread in self._threads:
            thread.join(timeout=15)  # a sink in the middle of a send has its own time-out

    def flush(self, timeout: float, *, tries: int | None = None) -> bool:
        """Wait until all sinks have what is in the outbox now; False: some still lack it.

        For a sink that fails so many times in a row from now on it does not wait.
        """
        self._hurry.set()
        upto, until = self._outbox.last, time.monotonic() + timeout
        before = dict(self._failures)
        waited_for, delivered = list(self._names), False
        while waited_for and not delivered and (left := until - time.monotonic()) > 0:
            delivered = self._outbox.wait_delivered(
                waited_for, upto=upto, timeout=left if tries is None else min(left, _LOOK_SECONDS)
            )
            if tries is not None:
                waited_for = [
                    name for name in waited_for if self._failures[name] - before[name] < tries
                ]
        self._hurry.clear()
        return self._outbox.wait_delivered(self._names, upto=upto, timeout=0)

    def backlog(self) -> dict[str, SinkState]:
        """What each sink still has to take; the first word of a name is its kind."""
        return {
            name: SinkState(
                self._outbox.last - self._cursors[name], self._refused[name], self._errors[name]
            )
            for name in self._names
        }

    def _run(self, sink: Sink) -> None:
        in_doubt, pause = True, _FIRST_RETRY  # rows of a dead run may have been sent
        while not self._stop.is_set():
            try:
                rows = self._outbox.read(after=self._cursors[sink.name], limit=_BATCH)
                if not rows:
                    in_doubt = False
                    self._outbox.wait(after=self._cursors[sink.name], timeout=_IDLE_SECONDS)
                    continue
                self._send(sink, rows, in_doubt=in_doubt)
                self._note(sink, None)
                self._advance(sink, rows[-1].seq)
            except Exception as error:
                if not isinstance(error, StorageError):
                    logger.exception("%s: unexpected", sink.name)
                self._note(sink, str(error))
                in_doubt = True
                self._hold(pause)
                pause = min(pause * 2, _LAST_RETRY)
            else:
                in_doubt, pause = False, _FIRST_RETRY

    def _send(self, sink: Sink, rows: Sequence[OutboxRow], *, in_doubt: bool) -> None:
        try:
            sink.send(rows, in_doubt=in_doubt)
        except RefusedError:
            for row in rows:
                try:
                    sink.send([row], in_doubt=True)
                except RefusedError as error:
                    logger.error("%s refuses %s: %s", sink.name, row.record.id, error)
                    self._outbox.set_aside(sink.name, row, str(error))
                    self._refused[sink.name] += 1

    def _advance(self, sink: Sink, seq: int) -> None:
        self._outbox.advance(sink.name, seq)
        self._cursors[sink.name] = seq
        if seq == self._outbox.last or seq % 10_000 < _BATCH:
            self._outbox.prune(self._names)

    def _note(self, sink: Sink, error: str | None) -> None:
        before, self._errors[sink.name] = self._errors[sink.name], error
        self._failures[sink.name] += error is not None
        if error is not None and before is None:
            logger.warning("%s; events wait in %s", error, self._outbox.path)
        elif error is None and before is not None:
            logger.info("%s is back", sink.name)

    def _hold(self, seconds: float) -> None:
        """Wait before the next try, with jitter; a flush waits no longer than a moment."""
        until = time.monotonic() + seconds * random.uniform(0.5, 1.0)
        while not self._stop.is_set() and time.monotonic() < until:
            if self._hurry.wait(timeout=min(0.5, seconds)):
                self._stop.wait(_FIRST_RETRY)
                return


def recover(
    outbox: Outbox, sessions: sessionmaker[Session], *, cameras: Collection[str]
) -> Sequence[Interaction]:
    """Before the first frame of a run: close what a dead run of these cameras left open.

    First give the relay the time to deliver what that run left in the outbox (`flush`): an end
    may be among it. The closed events go through the outbox too, so that every sink gets them.
    """
    with sessions() as session:
        closed = close_crashed(session, cameras=cameras)
        session.rollback()
    outbox.append(closed)
    return closed


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
