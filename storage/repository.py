"""All SQL over runs and interactions, as functions of a session; the caller commits."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict, Unpack

from sqlalchemy import (
    ColumnElement,
    Select,
    case,
    delete,
    false,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.interactions import EndReason, Interaction, Kind, Phase, Rivals
from storage.pair_vectors import PairVector
from storage.tables import (
    OPEN,
    Base,
    CameraRow,
    InteractionRow,
    PairVectorRow,
    RunRow,
    TrackRow,
    Vector,
)
from storage.tracks import Track

_COLUMNS = tuple(column.name for column in InteractionRow.__table__.columns)
_SHARED = tuple(name for name in _COLUMNS if name != "human_number")
_PLAIN = tuple(name for name in _SHARED if name != "vector")
_TRACK_COLUMNS = tuple(column.name for column in TrackRow.__table__.columns)
_PAIR_COLUMNS = tuple(column.name for column in PairVectorRow.__table__.columns)
_KEPT = (
    "vector",
    "rivals",
    "snapshot",
    "clip",
    "clip_peak",
)  # a later phase without them does not take them away
MOST_COUNTED = 10_000
_MOST_BRANCHES = 200
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)
_CLOCKS_APART = timedelta(minutes=5)  # by which wall time may have run on without media time


class Filters(TypedDict, total=False):
    """What to look for; None and a missing key ask for anything, an empty list for nothing."""

    camera: str | None
    verbs: Collection[str] | None
    object_classes: Collection[str] | None
    human: str | None  # track of a person, upper and lower case alike
    person: int | None  # its number, of every camera and run
    since: datetime | None  # bounds of the time in which it was going on
    until: datetime | None
    beyond: tuple[datetime, uuid.UUID] | None  # start and id of the last row of the page before
    oldest_first: bool  # order, and the direction of `beyond`


@dataclass(frozen=True)
class Run:
    """One start of the program."""

    id: uuid.UUID
    started_at: datetime
    ended_at: datetime | None  # None: it goes on, or it died
    sources: tuple[str, ...]
    bundle: str
    config: str


def start_run(
    session: Session,
    *,
    sources: Mapping[str, str],
    bundle: str,
    config: str,
    started_at: datetime,
) -> uuid.UUID:
    """`sources`: where each camera's video comes from, without credentials."""
    row = RunRow(
        id=uuid.uuid4(),
        started_at=started_at,
        sources="\n".join(sources.values()),
        bundle=bundle,
        config=config,
    )
    session.add(row)
    session.flush()
    insert = _insert(session, CameraRow)
    statement = insert.on_conflict_do_update(
        index_elements=["name"],
        set_={"source": insert.excluded.source, "last_run_at": insert.excluded.last_run_at},
    )
    seen = {"first_run_at": started_at, "last_run_at": started_at}
    rows = [{"name": name, "source": source, **seen} for name, source in sources.items()]
    if rows:
        session.connection().execute(statement, rows)
    return row.id


def finish_run(
    session: Session, *, run: uuid.UUID, ended_at: datetime, summary: Mapping[str, Any] | None
) -> None:
    session.execute(
        update(RunRow)
        .where(RunRow.id == run)
        .values(ended_at=ended_at, summary=None if summary is None else dict(summary))
    )


def recent_runs(session: Session, *, limit: int = 20) -> list[Run]:
    """Newest first."""
    query = select(RunRow).order_by(RunRow.started_at.desc()).limit(limit)
    return [_to_run(row) for row in session.scalars(query)]


def find_run(session: Session, *, prefix: str) -> Run | None:
    """The only one whose id begins so."""
    plain = prefix.replace("-", "").lower()
    ids = [id_ for id_ in session.scalars(select(RunRow.id)) if id_.hex.startswith(plain)]
    row = session.get(RunRow, ids[0]) if len(ids) == 1 and plain else None
    return None if row is None else _to_run(row)


def events_of_run(session: Session, *, run: Run, camera: str) -> Sequence[Interaction]:
    """What bundle and settings of that run saw of the camera, oldest first."""
    row = InteractionRow
    query = select(row).where(
        row.camera == camera,
        row.bundle == run.bundle,
        row.config == run.config,
        row.phase == Phase.END,
    )
    return _interactions(session, query.order_by(row.started_at, row.id))


def add_interactions(session: Session, *, interactions: Sequence[Interaction]) -> None:
    """Insert or bring forward, in any order, any number of times: a later phase wins."""
    if not interactions:
        return
    insert = _insert(session, InteractionRow)
    new = insert.excluded
    rank, new_rank = (
        _rank(InteractionRow.phase, InteractionRow.end_reason),
        _rank(new.phase, new.end_reason),
    )
    statement = insert.on_conflict_do_update(
        index_elements=["id"],
        set_={
            name: func.coalesce(new[name], getattr(InteractionRow, name))
            if name in _KEPT
            else new[name]
            for name in _COLUMNS
            if name != "id"
        },
        where=or_(
            new_rank > rank,
            (new_rank == rank) & (new.ended_at >= InteractionRow.ended_at),
        ),
    )
    rows = [_to_row(interaction) for interaction in interactions]
    session.connection().execute(statement, rows)  # not by the mapper, which looks at every row


def add_pair_vectors(session: Session, *, vectors: Sequence[PairVector]) -> None:
    """Insert, any number of times."""
    if not vectors:
        return
    rows = [
        {name: getattr(vector, name) for name in _PAIR_COLUMNS}
        | {"human_box": list(vector.human_box), "object_box": list(vector.object_box)}
        for vector in vectors
    ]
    session.connection().execute(_insert(session, PairVectorRow).on_conflict_do_nothing(), rows)


def add_tracks(session: Session, *, tracks: Sequence[Track]) -> None:
    """Insert or bring forward, in any order, any number of times."""
    if not tracks:
        return
    insert = _insert(session, TrackRow)
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


def find_interactions(
    session: Session, *, limit: int = 100, offset: int = 0, **filters: Unpack[Filters]
) -> Sequence[Interaction]:
    """Newest first, or oldest; open events included. Lists come without vectors, here and below."""
    row = InteractionRow
    upwards = filters.get("oldest_first", False)
    order = (row.started_at if upwards else row.started_at.desc()), row.id
    branches = _branches(session, **filters)
    query = select(row).where(*branches[0])
    if len(branches) > 1:
        last = _time_of(session, branches, rank=limit + offset, upwards=upwards)
        near = row.started_at <= last if upwards else row.started_at >= last
        every = union_all(*(select(row.id).where(*branch, near) for branch in branches))
        query = select(row).where(row.id.in_(every))
    return _interactions(session, query.order_by(*order).limit(limit).offset(offset))


def count_interactions(
    session: Session, *, most: int = MOST_COUNTED, **filters: Unpack[Filters]
) -> int:
    """Not beyond `most`: nobody waits for ten million rows to be counted."""
    parts = [
        select(literal(1).label("one"))
        .select_from(InteractionRow)
        .where(*branch)
        .limit(most)
        .subquery()
        for branch in _branches(session, **filters)
    ]
    every = union_all(*(select(part.c.one) for part in parts)).subquery()
    some = select(every.c.one).limit(most).subquery()
    return session.execute(select(func.count()).select_from(some)).scalar_one()


def count_by_verb(
    session: Session, *, most: int = MOST_COUNTED, since: datetime | None = None
) -> dict[str, int]:
    """Verb to number of interactions, none beyond `most`; most frequent first."""
    counts = {
        verb: count_interactions(session, most=most, verbs=[verb], since=since)
        for verb in verbs_seen(session)
    }
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def cameras(session: Session) -> list[str]:
    return _distinct(session, InteractionRow.camera)


def verbs_seen(session: Session) -> list[str]:
    return _distinct(session, InteractionRow.verb)


def object_classes_seen(session: Session) -> list[str]:
    return _distinct(session, InteractionRow.object_class)


def latest(session: Session, *, limit: int = 20) -> Sequence[Interaction]:
    """What was last seen, newest first, open events included."""
    query = select(InteractionRow).order_by(InteractionRow.ended_at.desc(), InteractionRow.id)
    return _interactions(session, query.limit(limit))


def oldest(session: Session) -> datetime | None:
    """When the first interaction began."""
    return session.execute(select(func.min(InteractionRow.started_at))).scalar()


def get_interaction(session: Session, *, id: uuid.UUID) -> Interaction | None:
    row = session.get(InteractionRow, id)
    return None if row is None else _to_interaction(row, row.vector)


def open_interactions(
    session: Session, *, cameras: Collection[str] | None = None
) -> Sequence[Interaction]:
    """Interactions without an end; all cameras when none is named."""
    query = select(InteractionRow).where(OPEN)
    if cameras is not None:
        query = query.where(InteractionRow.camera.in_(cameras))
    return _interactions(session, query.order_by(InteractionRow.started_at, InteractionRow.id))


def close_crashed(
    session: Session, *, cameras: Collection[str] | None = None
) -> Sequence[Interaction]:
    """End what a dead run left open, at the last time it was observed, and return it.

    Name the cameras of this run: those of other runs may well be alive.
    """
    closed = [
        replace(interaction, phase=Phase.END, end_reason=EndReason.CRASH)
        for interaction in open_interactions(session, cameras=cameras)
    ]
    add_interactions(session, interactions=closed)
    return closed


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


def _insert(session: Session, table: type[Base]) -> Any:
    """One with ON CONFLICT, which every database says in its own dialect."""
    postgres = session.get_bind().dialect.name == "postgresql"
    return (postgresql.insert if postgres else sqlite.insert)(table)


def _branches(session: Session, **filters: Unpack[Filters]) -> list[list[ColumnElement[bool]]]:
    """Conditions whose rows together are the wanted ones, and which an index answers each."""
    row, common = InteractionRow, list[ColumnElement[bool]]()
    camera, verbs = filters.get("camera"), filters.get("verbs")
    classes, person = filters.get("object_classes"), filters.get("person")
    if camera is not None:
        common.append(row.camera == camera)
    if (human := filters.get("human")) is not None:
        common.append(func.lower(row.human_track) == human.lower())
        person = _number(human)
    if person is not None:
        common.append(row.human_number == person)
    if (since := filters.get("since")) is not None:
        length = min(_longest(session) + _CLOCKS_APART, max(since - _EARLIEST, timedelta()))
        common += [row.ended_at >= since, row.started_at >= since - length]
    if (until := filters.get("until")) is not None:
        common.append(row.started_at <= until)
    if (beyond := filters.get("beyond")) is not None:
        common += _behind(*beyond, upwards=filters.get("oldest_first", False))
    if verbs is None and person is None and (camera is not None or classes is not None):
        verbs = verbs_seen(session)
    if person is not None or len(verbs or ()) * len(classes or "1") > _MOST_BRANCHES:
        single = [row.verb.in_(verbs)] if verbs is not None else []
        single += [row.object_class.in_(classes)] if classes is not None else []
        return [[*common, *single]]
    by_verb = [[row.verb == verb] for verb in sorted(set(verbs))] if verbs is not None else [[]]
    by_class = (
        [[row.object_class == name] for name in sorted(set(classes))]
        if classes is not None
        else [[]]
    )
    branches = [[*common, *verb, *name] for verb in by_verb for name in by_class]
    return branches or [[false()]]


def _time_of(
    session: Session,
    branches: Sequence[Sequence[ColumnElement[bool]]],
    *,
    rank: int,
    upwards: bool,
) -> datetime:
    """When the row of this rank began, counted from the newest (`upwards`: the oldest) of all
    branches; an index knows."""
    began = InteractionRow.started_at
    near = [
        select(began)
        .where(*branch)
        .order_by(began if upwards else began.desc())
        .limit(rank)
        .subquery()
        for branch in branches
    ]
    every = union_all(*(select(some.c.started_at) for some in near)).subquery()
    column = every.c.started_at
    first = select(column).order_by(column if upwards else column.desc()).limit(rank).subquery()
    furthest = func.max if upwards else func.min
    found = session.execute(select(furthest(first.c.started_at))).scalar()
    return found or (_LATEST if upwards else _EARLIEST)


def _behind(began: datetime, id: uuid.UUID, *, upwards: bool) -> list[ColumnElement[bool]]:
    row = InteractionRow
    if upwards:
        return [row.started_at >= began, or_(row.started_at > began, row.id > id)]
    return [row.started_at <= began, or_(row.started_at < began, row.id > id)]


def _longest(session: Session) -> timedelta:
    row = InteractionRow
    length = row.media_end - row.media_start
    seconds = session.execute(select(length).order_by(length.desc()).limit(1)).scalar()
    return timedelta(seconds=seconds or 0.0)


def _number(track: str) -> int:
    """The last part of `camera:epoch:number`; 0: it has none, or one that no column holds."""
    last = track.rpartition(":")[2]
    return int(last) if last.isdecimal() and len(last) < 10 else 0


def _rank(phase: Any, end_reason: Any) -> ColumnElement[int]:
    """How final a phase is; an end that was seen replaces one that a crash made necessary."""
    return case(
        (phase == Phase.START, 0),
        (phase == Phase.UPDATE, 1),
        (end_reason == EndReason.CRASH, 2),
        else_=3,
    )


def _stem(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0]


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _distinct(session: Session, column: InstrumentedAttribute[str]) -> list[str]:
    """By steps from one value to the next greater one, which an index takes in no time."""
    first = select(func.min(column).label("value")).cte("steps", recursive=True)
    following = select(func.min(column)).where(column > first.c.value).scalar_subquery()
    steps = first.union_all(select(following).where(first.c.value.is_not(None)))
    return list(session.scalars(select(steps.c.value).where(steps.c.value.is_not(None))))


def _interactions(session: Session, query: Select[InteractionRow]) -> list[Interaction]:
    """Without vectors, and not by the mapper: lists are long, and someone waits for them."""
    columns = [InteractionRow.__table__.c[name] for name in _PLAIN]
    rows = session.execute(query.with_only_columns(*columns))
    return [_to_interaction(row, None) for row in rows]


def _to_run(row: RunRow) -> Run:
    sources = tuple(row.sources.splitlines())
    return Run(row.id, row.started_at, row.ended_at, sources, row.bundle, row.config)


def _to_row(interaction: Interaction) -> dict[str, Any]:
    row = {name: getattr(interaction, name) for name in _SHARED}
    row["human_number"] = _number(interaction.human_track)
    for name in ("human_box", "object_box"):  # plain floats: JSON knows none of numpy's
        row[name] = [float(edge) for edge in row[name]]
    for name in ("media_start", "media_end", "mean_score", "peak_score", "peak_at"):
        row[name] = float(row[name])
    row["rivals"] = None if interaction.rivals is None else interaction.rivals.to_dict()
    return row


def _to_interaction(row: Any, vector: Vector | None) -> Interaction:
    """`row` has the columns as attributes."""
    values = {name: getattr(row, name) for name in _PLAIN}
    values["kind"], values["phase"] = Kind(row.kind), Phase(row.phase)
    values["human_box"], values["object_box"] = tuple(row.human_box), tuple(row.object_box)
    values["end_reason"] = EndReason(row.end_reason) if row.end_reason else None
    values["rivals"] = None if row.rivals is None else Rivals.from_dict(row.rivals)
    return Interaction(**values, vector=vector)
