"""What is too old or too much: rows, their pictures and clips, and files that no row names."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage.alert_rows import delete_alerts_before
from storage.database import ReadSession, Sessions
from storage.deletions import (
    Owner,
    delete_ended_before,
    delete_interactions,
    delete_tracks_before,
    delete_vectors_before,
    owners_of,
)
from storage.errors import StorageError
from storage.media_folder import FOLDERS, files_waiting, owned_alone_since

logger = logging.getLogger(__name__)

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
    """Delete the oldest interactions with files until this database's take no more; how many."""
    sizes = {name: _size(media / name) for name in _names(media)}
    if sum(sizes.values()) <= media_bytes:
        return 0
    found = dict[uuid.UUID, Owner]()
    for some in _batches(sorted(sizes)):
        with sessions() as session:
            found |= {one.id: one for one in owners_of(session, names=some)}
    excess = sum(sizes.get(name, 0) for one in found.values() for name in one.files) - media_bytes
    over = sorted((one for one in found.values() if one.over), key=lambda one: one.ended_at)
    deleted = 0
    while excess > 0 and deleted < len(over):
        began = time.monotonic()
        some_over = over[deleted : deleted + _LEAST]
        with sessions.begin() as session:
            gone = delete_interactions(session, ids=[one.id for one in some_over])
        excess -= _remove(media, (name for row in gone for name in row))
        deleted += len(some_over)
        time.sleep(time.monotonic() - began)
    return deleted


def sweep_orphans(sessions: Sessions, media: Path, *, before: datetime) -> int:
    """Delete files older than `before` that no row names and no outbox; returns how many.

    Only what was written while the folder was this database's alone (`storage.media_folder`).
    """
    with sessions() as session:
        since = owned_alone_since(session, media)
    if since is None:
        return 0
    old = [name for name in _names(media) if since <= _written(media / name) < before]
    strays = _unnamed(sessions, old)
    waiting = files_waiting(media) if strays else set[str]()
    strays = _unnamed(sessions, set(strays) - waiting)  # stored since then, perhaps
    with sessions() as session:
        if owned_alone_since(session, media) is None:
            return 0
    _remove(media, strays)
    for day in (day for folder in FOLDERS for day in (media / folder).glob("*/")):
        if _written(day) < before and not any(day.iterdir()):
            day.rmdir()
    return len(strays)


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


def _names(media: Path) -> list[str]:
    """All pictures and clips, by their places below the media folder."""
    files = (file for folder in FOLDERS for file in (media / folder).glob("*/*"))
    return [file.relative_to(media).as_posix() for file in files]


def _unnamed(sessions: Sessions, names: Iterable[str]) -> list[str]:
    """Those that no row names."""
    unnamed = list[str]()
    for some in _batches(sorted(names)):
        with sessions() as session:
            named = {name for one in owners_of(session, names=some) for name in one.files}
        unnamed += [name for name in some if name not in named]
    return unnamed


def _written(path: Path) -> datetime:
    """When; of what is gone by now: never yet."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return datetime.max.replace(tzinfo=UTC)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # another program was quicker
        return 0


def _batches(names: list[str]) -> Iterable[list[str]]:
    return (names[start : start + _MOST] for start in range(0, len(names), _MOST))
