"""All SQL that deletes, as functions of a session; the caller commits."""

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.interactions import Phase
from storage.tables import InteractionRow, PairVectorRow, TrackRow


def delete_ended_before(
    session: Session, *, before: datetime | None, limit: int
) -> list[tuple[str | None, str | None]]:
    """Delete the oldest that are over, None: whenever; returns picture and clip of each."""
    row = InteractionRow
    query = select(row.id).where(row.phase == Phase.END)
    if before is not None:
        query = query.where(row.ended_at < before)
    ids = list(session.scalars(query.order_by(row.ended_at).limit(limit)))
    gone = delete(row).where(row.id.in_(ids)).returning(row.snapshot, row.clip)
    return [(snapshot, clip) for snapshot, clip in session.execute(gone).tuples()]


def delete_camera(session: Session, *, camera: str) -> None:
    """Everything that it saw."""
    for table in (InteractionRow, PairVectorRow, TrackRow):
        session.execute(delete(table).where(table.camera == camera))


def delete_vectors_before(session: Session, *, before: datetime, limit: int) -> int:
    """Delete the oldest pair vectors; returns how many."""
    return _delete_oldest(session, PairVectorRow.id, PairVectorRow.taken_at, before, limit)


def delete_tracks_before(session: Session, *, before: datetime, limit: int) -> int:
    """Delete the tracks that were lost first; returns how many."""
    return _delete_oldest(session, TrackRow.id, TrackRow.last_seen, before, limit)


def _delete_oldest(
    session: Session,
    id_: InstrumentedAttribute[Any],
    time: InstrumentedAttribute[datetime],
    before: datetime,
    limit: int,
) -> int:
    ids = list(session.scalars(select(id_).where(time < before).order_by(time).limit(limit)))
    return len(session.execute(delete(id_.class_).where(id_.in_(ids)).returning(id_)).all())


def named_files(session: Session, *, names: Collection[str]) -> set[str]:
    """Those of the names that are the picture or the clip of an interaction."""
    ids = [uuid.UUID(name) for name in map(_stem, names) if _is_uuid(name)]
    row = InteractionRow
    query = select(row.snapshot, row.clip).where(row.id.in_(ids))
    return {name for found in session.execute(query) for name in found if name in names}


def _stem(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0]


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
