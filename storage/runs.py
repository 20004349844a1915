"""A run and its database, which may be away when the run begins."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from storage.database import Sessions
from storage.errors import StorageError, UnreachableError
from storage.media_folder import note_owner
from storage.outbox import Outbox, OutboxRow
from storage.relay import DatabaseSink, recover
from storage.run_rows import finish_run, start_run

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunFacts:
    """`sources`: where each camera's video comes from, without credentials."""

    sources: Mapping[str, str]
    bundle: str
    config: str
    started_at: datetime


class RunDatabase:
    """The sink of a run. Before its own first event the schema is brought up to date, what an
    earlier run left in the outbox is delivered, and what that run left open is closed.
    """

    def __init__(
        self,
        sessions: Sessions,
        outbox: Outbox,
        run: RunFacts,
        bring_up_to_date: Callable[[], None],
    ) -> None:
        self._sessions, self._outbox, self._facts = sessions, outbox, run
        self._sink = DatabaseSink(sessions)
        self.name = self._sink.name
        self._bring_up_to_date = bring_up_to_date
        self._lock = threading.Lock()  # of what happens once
        self._current = False  # the schema
        self._first = outbox.last + 1  # row of this run
        self._run: UUID | None = None

    def open(self) -> bool:
        """False: the database is away; what has to be done is done when it is back.

        Raises `StorageError` for what waiting does not mend.
        """
        try:
            self._migrate()
        except UnreachableError as error:
            logger.warning("%s; events wait in %s", error, self._outbox.path)
            return False
        return True

    def begin(self) -> None:
        """Close what a dead run of these cameras left open, and write down that this one began."""
        self._migrate()
        with self._lock:
            if self._run is not None:
                return
            facts = self._facts
            if closed := recover(self._outbox, self._sessions, cameras=list(facts.sources)):
                logger.warning("closed %d events that an earlier run left open", len(closed))
            with self._sessions.begin() as session:
                run = start_run(
                    session,
                    sources=facts.sources,
                    bundle=facts.bundle,
                    config=facts.config,
                    started_at=facts.started_at,
                )
                note_owner(session, self._outbox.path.parent, run=run)
            self._run = run

    def send(self, rows: Sequence[OutboxRow], *, in_doubt: bool) -> None:
        self._migrate()
        older = [row for row in rows if row.seq < self._first]
        if older:
            self._sink.send(older, in_doubt=in_doubt)
        if len(older) < len(rows):
            self.begin()
            self._sink.send(rows[len(older) :], in_doubt=in_doubt)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write down how the run ended; without a database that record alone is lost."""
        try:
            self.begin()
            assert self._run is not None
            with self._sessions.begin() as session:
                finish_run(session, run=self._run, ended_at=datetime.now(UTC), summary=summary)
        except StorageError as error:
            logger.warning("the summary is not stored: %s", error)

    def _migrate(self) -> None:
        with self._lock:
            if not self._current:
                self._bring_up_to_date()
                self._current = True
