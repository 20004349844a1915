"""Durable before sent: events lie in a local file until every sink has taken them.

Its own SQLite file and plain SQL: between an event and the disk stands as little as possible.
"""

import fcntl
import json
import logging
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from storage.errors import StorageError
from storage.filesystems import refuse_network
from storage.interactions import Interaction
from storage.pair_vectors import KIND as PAIR_VECTOR
from storage.pair_vectors import PairVector
from storage.tracks import KIND as TRACK
from storage.tracks import Track

logger = logging.getLogger(__name__)

Record = Interaction | PairVector | Track

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, json TEXT NOT NULL, vector BLOB);
CREATE TABLE IF NOT EXISTS cursors (sink TEXT PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS refused (
    sink TEXT NOT NULL, seq INTEGER NOT NULL, json TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (sink, seq));
CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL);
"""
MOST_BYTES = 2_000_000_000
_NEAR = 0.8  # of the limit: time to tell
_KEPT_FOR_ABSENT = 100_000  # rows, some 50 MB, owed to a sink that this run does not have


@dataclass(frozen=True)
class OutboxRow:
    seq: int  # order of appending
    key: str  # the same at every delivery of this row, unlike any other row's
    record: Record


class Outbox:
    """One process at a time holds it; its threads may share it.

    Above `most_bytes` it takes interactions still, and of pair vectors only those that belong to
    one: samples are left out, and counted.
    """

    def __init__(self, path: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.path, self.most_bytes = path, most_bytes
        self.left_out = 0  # samples
        self._near = False  # its limit, and that was told
        self._grown = threading.Condition()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            refuse_network(path)
            self._lock_file = path.with_name(path.name + ".lock").open("w")
            try:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                self._lock_file.close()
                raise OutboxInUseError(f"outbox {path} is in use by another run") from error
        except OSError as error:
            raise StorageError(f"outbox {path} cannot be opened: {error.strerror}") from error
        with self._errors():
            self._connection = sqlite3.connect(path, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")  # on disk when append returns
            self._connection.executescript(_SCHEMA)
            # What was delivered may be forgotten in a crash (the id tells doubles): no waiting for
            # the disk. The lock keeps the two connections apart.
            self._progress = sqlite3.connect(path, check_same_thread=False)
            self._progress.execute("PRAGMA synchronous=NORMAL")
            row = self._connection.execute("SELECT id FROM identity").fetchone()
            if row is None:
                row = (uuid.uuid4().hex,)
                self._connection.execute("INSERT INTO identity VALUES (?)", row)
                self._connection.commit()
        self._id = str(row[0])
        self._last = self._first_free() - 1

    def append(self, records: Sequence[Record]) -> None:
        """When this returns they survive a crash of the program and of the machine."""
        records = self._within_limit(records)
        if not records:
            return
        rows = [_to_row(record) for record in records]
        with self._grown, self._errors():
            with self._connection:
                self._connection.executemany(
                    "INSERT INTO events (json, vector) VALUES (?, ?)", rows
                )
            self._last += len(rows)
            self._grown.notify_all()

    @property
    def bytes(self) -> int:
        """What waits in it takes so much of the disk."""
        with self._grown, self._errors():
            pages, free, size = (
                self._connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        return int((pages - free) * size)

    def _within_limit(self, records: Sequence[Record]) -> Sequence[Record]:
        used = self.bytes
        if used >= _NEAR * self.most_bytes:
            if not self._near:
                logger.error(
                    "outbox %s: %d of %d MB are used; samples are left out when it is full",
                    *(self.path, used // 10**6, self.most_bytes // 10**6),
                )
            self._near = True
        elif used < _NEAR / 2 * self.most_bytes:
            self._near = False
        if used < self.most_bytes:
            return records
        kept = [r for r in records if not (isinstance(r, PairVector) and r.interaction is None)]
        self.left_out += len(records) - len(kept)
        return kept

    def read(self, *, after: int, limit: int) -> list[OutboxRow]:
        with self._grown, self._errors():
            rows = self._connection.execute(
                "SELECT seq, json, vector FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, limit),
            ).fetchall()
        return [OutboxRow(seq, f"{self._id}:{seq}", _from_row(*row)) for seq, *row in rows]

    @property
    def last(self) -> int:
        """Number of the newest event."""
        return self._last

    def register(self, sinks: Sequence[str]) -> dict[str, int]:
        """Cursors of a run's sinks. A row is owed to the sinks that were known when it was
        written, and to the very first ones all that was there before."""
        with self._grown, self._errors(), self._connection:
            known = self.cursors()
            start = self._last if known else 0
            fresh = [(sink, start) for sink in sinks if sink not in known]
            self._connection.executemany("INSERT INTO cursors VALUES (?, ?)", fresh)
            return {sink: known.get(sink, start) for sink in sinks}

    def cursors(self) -> dict[str, int]:
        with self._grown, self._errors():
            return dict(self._connection.execute("SELECT sink, seq FROM cursors").fetchall())

    def advance(self, sink: str, seq: int) -> None:
        """The sink has everything up to this row."""
        with self._grown, self._errors(), self._progress:
            self._progress.execute("UPDATE cursors SET seq = ? WHERE sink = ?", (seq, sink))
            self._grown.notify_all()

    def set_aside(self, sink: str, row: OutboxRow, reason: str) -> None:
        """Keep what a sink will never take, so that it does not hold up the rest."""
        with self._grown, self._errors(), self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?)",
                (sink, row.seq, row.record.to_json(), reason),
            )

    def prune(self, present: Sequence[str]) -> int:
        """Forget what every sink has; a long absent one's share is bounded. Returns rows gone."""
        with self._grown, self._errors(), self._progress:
            floor = self._last - _KEPT_FOR_ABSENT
            gone = [s for s, seq in self.cursors().items() if s not in present and seq < floor]
            self._progress.executemany("DELETE FROM cursors WHERE sink = ?", [(s,) for s in gone])
            return self._progress.execute(
                "DELETE FROM events WHERE seq <= (SELECT min(seq) FROM cursors)"
            ).rowcount

    def wait(self, *, after: int, timeout: float) -> None:
        """Until there may be a row after this one, someone calls `wake`, or the time is over."""
        with self._grown:
            if self._last <= after:
                self._grown.wait(timeout)

    def wait_delivered(self, sinks: Sequence[str], *, upto: int, timeout: float) -> bool:
        def done() -> bool:
            cursors = self.cursors()
            return all(cursors[sink] >= upto for sink in sinks)

        with self._grown:
            return self._grown.wait_for(done, timeout)

    def wake(self) -> None:
        with self._grown:
            self._grown.notify_all()

    def close(self) -> None:
        with self._grown:
            self._progress.close()
            self._connection.close()
            self._lock_file.close()

    def _first_free(self) -> int:
        with self._errors():
            row = self._connection.execute(
                "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
            ).fetchone()
        return 1 if row is None else int(row[0]) + 1

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(f"outbox {self.path}: {error}") from error


class OutboxInUseError(StorageError):
    """Another living process holds this outbox."""


def claim_outbox(folder: Path, *, most_bytes: int = MOST_BYTES) -> Outbox:
    """The first outbox of the folder that no living run holds, with what a dead one left in it."""
    for number in range(64):  # more runs than this on one machine want a folder each
        try:
            return Outbox(folder / f"outbox-{number}.db", most_bytes=most_bytes)
        except OutboxInUseError:
            continue
    raise StorageError(f"all outboxes in {folder} are in use by other runs")


def _to_row(record: Record) -> tuple[str, bytes | None]:
    vector = record.look if isinstance(record, Track) else record.vector
    packed = None if vector is None else vector.astype("<f2").tobytes()
    if isinstance(record, Interaction):
        return record.to_json(with_vector=False), packed
    return record.to_json(), packed


def _from_row(text: str, packed: bytes | None) -> Record:
    row = json.loads(text)
    vector = None if packed is None else np.frombuffer(packed, "<f2")
    match row["kind"]:
        case kind if kind == TRACK:
            return Track.from_dict(row, vector)
        case kind if kind == PAIR_VECTOR:
            return PairVector.from_dict(row, np.zeros(0, np.float16) if vector is None else vector)
        case _:
            return Interaction.from_dict(row, vector)
