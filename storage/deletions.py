"""All SQL that deletes, as functions of a session; the caller commits."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.interactions import Phase
from storage.tables import InteractionRow, PairVectorRow, TrackRow

Files = tuple[str | None, str | None]  # picture and clip, below the media folder


@dataclass(frozen=True)
class Owner:
    """An interaction as far as its files go."""

    id: uuid.UUID
    over: bool
    ended_at: datetime
    snapshot: str | None
    clip: str | None

    @property
    def files(self) -> frozenset[str]:
        return frozenset(name for name in (self.snapshot, self.clip) if name is not None)


def delete_ended_before(session: Session, *, before: datetime, limit: int) -> list[Files]:
    """Delete the oldest that are over; returns picture and clip of each."""
    row = InteractionRow
    query = select(row.id).where(row.phase == Phase.END, row.ended_at < before)
    ids = list(session.scalars(query.order_by(row.ended_at).limit(limit)))
    return delete_interactions(session, ids=ids)


def delete_interactions(session: Session, *, ids: Collection[uuid.UUID]) -> list[Files]:
    """Returns picture and clip of each."""
    row = InteractionRow
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


def owners_of(session: Session, *, names: Collection[str]) -> list[Owner]:
    """The interactions of which a picture or clip has one of the names."""
    ids = [uuid.UUID(name) for name in map(_stem, names) if _is_uuid(name)]
    row = InteractionRow
    query = select(row.id, row.phase == Phase.END, row.ended_at, row.snapshot, row.clip)
    found = (Owner(*one) for one in session.execute(query.where(row.id.in_(ids))).tuples())
    return [one for one in found if not one.files.isdisjoint(names)]


def _stem(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0]


def _is_uuid(name: str) -> bool:
    try:
        uuid.UUID(_stem(name))
    except ValueError:
        return False
    return True
