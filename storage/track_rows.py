"""All SQL over tracks and pair vectors, as functions of a session; the caller commits."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from storage.filters import number_of
from storage.pair_vectors import PairVector
from storage.tables import CameraRow, PairVectorRow, RunRow, TrackRow
from storage.tracks import Track
from storage.upserts import insert_into

_FLICKER = timedelta(seconds=2)  # somebody who is there may not be seen for so long
_TOLD_BY = timedelta(seconds=65)  # after a track was seen; those that stay are told each minute
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
    known = case((insert.excluded.bundle == TrackRow.bundle, TrackRow.look))  # of the same towers
    new["look"] = func.coalesce(insert.excluded.look, known)
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


def out_of_sight(session: Session, tracks: Mapping[str, str]) -> set[str]:
    """Those of the tracks, given with their cameras, that were lost while the camera went on.

    What is stored of a track may be a minute old while its run goes on, and of a new one nothing
    is; of a camera whose run is over all is known, and who has no track there is gone.
    """
    row = TrackRow
    query = select(row.id, row.last_seen).where(row.id.in_(list(tracks)))
    seen = dict(session.execute(query).tuples().all())
    running, ends = dict[str, bool](), dict[str, datetime | None]()
    for camera in set(tracks.values()):
        newest = select(func.max(row.last_seen)).where(row.camera == camera)
        ends[camera] = session.execute(newest).scalar()
        run = select(RunRow.id).join(CameraRow, CameraRow.last_run_at == RunRow.started_at)
        run = run.where(CameraRow.name == camera, RunRow.ended_at.is_(None))
        running[camera] = session.execute(run.limit(1)).scalar() is not None
    return {
        track
        for track, camera in tracks.items()
        if _lost(seen.get(track), ends[camera], running=running[camera])
    }


def _lost(seen: datetime | None, end: datetime | None, *, running: bool) -> bool:
    if seen is None or end is None:
        return not running
    return end - seen > (_TOLD_BY if running else _FLICKER)


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
