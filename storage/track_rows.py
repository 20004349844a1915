"""All SQL over tracks and pair vectors, as functions of a session; the caller commits."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.filters import number_of
from storage.pair_vectors import PairVector
from storage.tables import PairVectorRow, TrackRow
from storage.tracks import Track
from storage.upserts import insert_into

_TRACK_COLUMNS = tuple(column.name for column in TrackRow.__table__.columns)
_PAIR_COLUMNS = tuple(
    column.name for column in PairVectorRow.__table__.columns if column.name != "human_number"
)


def add_tracks(session: Session, *, tracks: Sequence[Track]) -> None:
    """Insert or bring forward, in any order, any number of times."""
    if not tracks:
        return
    insert = insert_into(session, TrackRow)
    new = {name: insert.excluded[name] for name in _TRACK_COLUMNS if name != "id"}
    statement = insert.on_conflict_do_update(
        index_elements=["id"], set_=new, where=insert.excluded.frames >= TrackRow.frames
    )
    rows = [{name: getattr(track, name) for name in _TRACK_COLUMNS} for track in tracks]
    session.connection().execute(statement, rows)


def find_tracks(
    session: Session, *, camera: str | None = None, since: datetime | None = None, limit: int = 100
) -> list[Track]:
    """Those seen last come first."""
    query = select(TrackRow).order_by(TrackRow.last_seen.desc(), TrackRow.id).limit(limit)
    if camera is not None:
        query = query.where(TrackRow.camera == camera)
    if since is not None:
        query = query.where(TrackRow.last_seen >= since)
    rows = session.scalars(query)
    return [Track(**{name: getattr(row, name) for name in _TRACK_COLUMNS}) for row in rows]


def add_pair_vectors(session: Session, *, vectors: Sequence[PairVector]) -> None:
    """Insert, any number of times."""
    if not vectors:
        return
    rows = [
        {name: getattr(vector, name) for name in _PAIR_COLUMNS}
        | {"human_number": number_of(vector.human_track)}
        | {"human_box": list(vector.human_box), "object_box": list(vector.object_box)}
        for vector in vectors
    ]
    session.connection().execute(insert_into(session, PairVectorRow).on_conflict_do_nothing(), rows)
