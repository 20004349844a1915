"""Whose pictures and clips lie in a media folder: nothing that may be another's is deleted.

The file `databases` in it holds the id of a run of each database that has stored files there; a
database knows its own runs. It stays so when the database is moved, copied or brought back.
"""

import logging
import sqlite3
import uuid
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.errors import StorageError
from storage.tables import RunRow

logger = logging.getLogger(__name__)

FOLDERS = ("snapshots", "clips")  # below the media folder; in each one folder a day

_OWNERS = "databases"


def note_owner(session: Session, media: Path, *, run: uuid.UUID) -> None:
    """Before the first event of a run is stored: its database has files here from now on."""
    runs = _owners(media)
    known = _times(session, runs)
    if not known:
        try:
            with (media / _OWNERS).open("a") as file:
                file.write(f"{run}\n")
        except OSError as error:
            raise StorageError(f"{media / _OWNERS}: {error.strerror}") from error
    if len(known) < len(runs):
        logger.warning(
            "another database has files in %s, too: stray ones are kept, of everybody, and what "
            "both have of the same video goes when the first of them deletes it",
            media,
        )


def owned_alone_since(session: Session, media: Path) -> datetime | None:
    """What was written since then is this database's alone; None: it may be another's."""
    runs = _owners(media)
    known = _times(session, runs)
    return min(known.values()) if runs and len(known) == len(runs) else None


def files_waiting(media: Path) -> set[str]:
    """Of events in the folder's outboxes: their rows may still come, or were refused."""
    names = set[str]()
    for path in sorted(media.glob("outbox-*.db")):
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as box:
                names.update(name for (name,) in box.execute(_WAITING))
        except sqlite3.Error as error:
            raise StorageError(f"outbox {path}: {error}") from error
    return names


_WAITING = " UNION ALL ".join(
    f"SELECT json_extract(json, '$.{kind}') FROM {table} "
    f"WHERE json_extract(json, '$.{kind}') IS NOT NULL"
    for kind in ("snapshot", "clip")
    for table in ("events", "refused")
)


def _owners(media: Path) -> list[str]:
    """Ids of runs as they are written there."""
    try:
        return list(dict.fromkeys((media / _OWNERS).read_text().split()))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{media / _OWNERS} cannot be read: {error}") from error


def _times(session: Session, runs: list[str]) -> dict[str, datetime]:
    """When those of them began that this database knows."""
    row, ids = RunRow, {}
    for text in runs:
        try:
            ids[uuid.UUID(text)] = text
        except ValueError:  # somebody wrote it by hand: it is nobody's that is known
            continue
    query = select(row.id, row.started_at).where(row.id.in_(list(ids)))
    return {ids[id_]: began for id_, began in session.execute(query).tuples()}
