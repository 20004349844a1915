"""What is too old or too much: rows, their pictures and clips, and files that no row names."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage.alert_rows import delete_alerts_before
from storage.database import ReadSession, Sessions
from storage.deletions import (
    delete_ended_before,
    delete_tracks_before,
    delete_vectors_before,
    named_files,
)
from storage.errors import StorageError

logger = logging.getLogger(__name__)

FOLDERS = ("snapshots", "clips")  # below the media folder; in each one folder a day

_LEAST, _MOST = 10, 2_000  # rows of one transaction
_SECONDS = 0.03  # ... which takes so long, for a writer waits meanwhile
_EVERY_SECONDS = 600.0
_ORPHAN_SECONDS = 86_400.0  # a file without a row may still get one; the outbox can be behind


@dataclass(frozen=True)
class Limits:
    """None: no limit."""

    days: float | None = None  # how long interactions, their files and pair vectors are kept
    media_bytes: int | None = None  # of pictures and clips; the oldest go first


def prune(
    sessions: Sessions,
    media: Path,
    *,
    before: datetime,
    on_batch: Callable[[int], None] = lambda _: None,
) -> int:
    """Delete interactions that ended before, their files, and older vectors, tracks and alerts.

    Returns how many interactions. Between two batches others may write.
    """
    deleted, files = 0, list[str | None]()

    def delete_ended(session: ReadSession, *, before: datetime, limit: int) -> int:
        nonlocal deleted
        gone = delete_ended_before(session, before=before, limit=limit)
        files.extend(name for row in gone for name in row)
        deleted += len(gone)
        return len(gone)

    for delete in (
        delete_ended,
        delete_vectors_before,
        delete_tracks_before,
        delete_alerts_before,
    ):
        limit, more = _LEAST, True
        while more:
            began = time.monotonic()
            with sessions.begin() as session:
                more = delete(session, before=before, limit=limit) == limit
            _remove(media, files)  # once the rows are gone for good
            files.clear()
            on_batch(deleted)
            took = time.monotonic() - began
            limit = round(min(max(limit * min(_SECONDS / took, 2.0), _LEAST), _MOST))
            time.sleep(took)
    return deleted


def shrink(sessions: Sessions, media: Path, *, media_bytes: int) -> int:
    """Delete the oldest interactions until pictures and clips take no more; returns how many."""
    excess = sum(_size(file) for folder in FOLDERS for file in (media / folder).glob("*/*"))
    excess -= media_bytes
    deleted = 0
    while excess > 0:
        began = time.monotonic()
        with sessions.begin() as session:
            gone = delete_ended_before(session, before=None, limit=_LEAST)
        if not gone:
            break
        excess -= _remove(media, (name for row in gone for name in row))
        deleted += len(gone)
        time.sleep(time.monotonic() - began)
    return deleted


def sweep_orphans(sessions: Sessions, media: Path, *, before: datetime) -> int:
    """Delete files older than `before` that no row names; returns how many."""
    removed = 0
    for day in sorted(day for folder in FOLDERS for day in (media / folder).glob("*")):
        old = [file for file in day.glob("*") if file.stat().st_mtime < before.timestamp()]
        names = {f"{day.parent.name}/{day.name}/{file.name}": file for file in old}
        for some in _batches(sorted(names)):
            with sessions() as session:
                kept = named_files(session, names=some)
            for name in set(some) - kept:
                names[name].unlink(missing_ok=True)
                removed += 1
        if not any(day.iterdir()):
            day.rmdir()
    return removed


class Keeper:
    """A thread, started by `with`, that holds the limits while a run goes on."""

    def __init__(self, sessions: Sessions, media: Path, limits: Limits) -> None:
        self._sessions, self._media, self._limits = sessions, media, limits
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def __enter__(self) -> "Keeper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=15)

    def keep(self) -> None:
        """Once."""
        now, limits = datetime.now(UTC), self._limits
        deleted = 0
        if limits.days is not None:
            before = now - timedelta(days=limits.days)
            deleted += prune(self._sessions, self._media, before=before)
        if limits.media_bytes is not None:
            deleted += shrink(self._sessions, self._media, media_bytes=limits.media_bytes)
        swept = sweep_orphans(
            self._sessions, self._media, before=now - timedelta(seconds=_ORPHAN_SECONDS)
        )
        if deleted or swept:
            logger.info("retention: %d interactions and %d stray files deleted", deleted, swept)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.keep()
            except (StorageError, OSError) as error:  # the next time, perhaps
                logger.warning("retention: %s", error)
            self._stop.wait(_EVERY_SECONDS)


def _remove(media: Path, names: Iterable[str | None]) -> int:
    """Files below the media folder, never what a name leads to outside of it; returns bytes."""
    freed, root = 0, media.resolve()
    for name in names:
        path = (media / name).resolve() if name else root
        if path != root and path.is_relative_to(root):
            freed += _size(path)
            path.unlink(missing_ok=True)
    return freed


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # another program was quicker
        return 0


def _batches(names: list[str]) -> Iterable[list[str]]:
    return (names[start : start + _MOST] for start in range(0, len(names), _MOST))
