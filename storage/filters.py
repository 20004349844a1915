"""What is looked for becomes conditions that indices answer."""

import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypedDict, Unpack

from sqlalchemy import ColumnElement, false, func, or_, select, union_all
from sqlalchemy.orm import Session

from storage.names import verbs_seen
from storage.tables import InteractionRow, PairVectorRow, TrackRow

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
    person_colour: str | None  # worn above or below
    upper_colour: str | None
    lower_colour: str | None
    thing_colour: str | None
    human_tracks: Collection[str] | None  # those that look as is asked for
    object_tracks: Collection[str] | None
    bundles: Collection[str] | None  # whose tracks these are
    since: datetime | None  # bounds of the time in which it was going on
    until: datetime | None
    beyond: tuple[datetime, uuid.UUID] | None  # start and id of the last row of the page before
    oldest_first: bool  # order, and the direction of `beyond`


def branches_of(session: Session, **filters: Unpack[Filters]) -> list[list[ColumnElement[bool]]]:
    """Conditions whose rows together are the wanted ones, and which an index answers each."""
    row, common = InteractionRow, list[ColumnElement[bool]]()
    camera, verbs = filters.get("camera"), filters.get("verbs")
    classes, person = filters.get("object_classes"), filters.get("person")
    if camera is not None:
        common.append(row.camera == camera)
    if (human := filters.get("human")) is not None:
        common.append(func.lower(row.human_track) == human.lower())
        person = number_of(human)
    if person is not None:
        common.append(row.human_number == person)
    common += looks_of(row, filters)
    if (since := filters.get("since")) is not None:
        length = min(_longest(session) + _CLOCKS_APART, max(since - _EARLIEST, timedelta()))
        common += [row.ended_at >= since, row.started_at >= since - length]
    if (until := filters.get("until")) is not None:
        common.append(row.started_at <= until)
    if (beyond := filters.get("beyond")) is not None:
        common += _behind(*beyond, upwards=filters.get("oldest_first", False))
    named = person is not None or filters.get("bundles") is not None  # by their tracks
    if verbs is None and not named and (camera is not None or classes is not None):
        verbs = verbs_seen(session)
    if named or len(verbs or ()) * len(classes or "1") > _MOST_BRANCHES:
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


def looks_of(
    row: type[InteractionRow] | type[PairVectorRow], filters: Filters
) -> list[ColumnElement[bool]]:
    """Tracks of the colours and looks that are asked for; one of which they are not known is not
    meant."""
    above, below = TrackRow.colour, TrackRow.lower_colour
    human, thing = row.human_track, row.object_track
    worn, thing_colour = filters.get("person_colour"), filters.get("thing_colour")
    upper, lower = filters.get("upper_colour"), filters.get("lower_colour")
    wanted = [
        (human, None if worn is None else or_(above == worn, below == worn)),
        (human, None if upper is None else above == upper),
        (human, None if lower is None else below == lower),
        (thing, None if thing_colour is None else above == thing_colour),
    ]
    coloured = [
        select(TrackRow.id).where(TrackRow.id == track, fits).exists()
        for track, fits in wanted
        if fits is not None
    ]
    looking = list[ColumnElement[bool]]()
    if (people := filters.get("human_tracks")) is not None:  # by number, which indices begin with
        numbers = {number_of(track) for track in people}
        looking += [row.human_number.in_(sorted(numbers)), human.in_(sorted(people))]
    if (things := filters.get("object_tracks")) is not None:
        looking.append(thing.in_(sorted(things)))
    if (bundles := filters.get("bundles")) is not None:
        looking.append(row.bundle.in_(sorted(bundles)))
    return [*coloured, *looking]


def time_of(
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


def number_of(track: str) -> int:
    """The last part of `camera:epoch:number`; 0: it has none, or one that no column holds."""
    last = track.rpartition(":")[2]
    return int(last) if last.isdecimal() and len(last) < 10 else 0
