"""Pick-ups and put-downs that nobody told, from custody: who has a thing has taken it.

A thing that stood there, then is held by somebody to whom nobody gave it, was picked up; one that
is held, then stands there and is in nobody's hands, and was not thrown, was put down.
"""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.custodies import HANDED, Custody, custodies, given, taken
from storage.custody import HOLDING
from storage.filters import Filters
from storage.interactions import PICK_UP, PUT_DOWN, Interaction, Kind, interaction_id
from storage.repository import find_interactions
from storage.steps import EARLIEST, LATEST
from storage.tables import TrackRow
from storage.told_windows import ASKED
from storage.twice import Viewer

IMPLIED = 0.5  # share of the custody's belief: about every other one is true
_MOST = 1000  # custodies that are looked at, the newest
_SEEN = timedelta(seconds=0.5)  # for so long it stood there before or after

_ANYBODY: Filters = {
    "human": None,
    "person": None,
    "person_colour": None,
    "upper_colour": None,
    "lower_colour": None,
    "human_tracks": None,
}

Lives = dict[str, tuple[datetime, datetime]]  # of tracks: first and last seen


def implied(session: Session, verbs: Sequence[str], filters: Filters) -> list[Interaction]:
    """Of the wanted verbs those that custody implies, told or not, with the filters' pairs."""
    wanted = {PICK_UP, PUT_DOWN} & set(verbs)
    if not wanted:
        return []
    asked, rows = _rows(session, filters)
    held = list(custodies([one for one in rows if one.verb in HOLDING]))
    let_fly = [one for one in rows if one.verb not in HOLDING]
    lives = _lives(session, {one.thing for one in held})
    others = defaultdict[tuple[Viewer, str], list[Custody[Interaction]]](list)
    for custody in held:
        others[custody.viewer, custody.thing].append(custody)
    found = []
    for custody in held:
        thing = custody.thing
        if thing not in lives or asked.isdisjoint(one.id for one in custody.rows):
            continue
        first, last = lives[thing]
        near = [one for one in others[custody.viewer, thing] if one.person != custody.person]
        mine = [one for one in let_fly if (one.bundle, one.config) == custody.viewer]
        flown = [one for one in mine if one.object_track == thing]
        if PICK_UP in wanted and first + _SEEN <= custody.since and not given(custody, near):
            found.append(_told(PICK_UP, custody.rows[0], custody.since, custody.belief))
        gone = taken(custody, near) or _flew(custody, flown)
        if PUT_DOWN in wanted and last - _SEEN >= custody.until and not gone:
            found.append(_told(PUT_DOWN, custody.rows[-1], custody.until, custody.belief))
    since, until = filters.get("since") or EARLIEST, filters.get("until") or LATEST
    return [one for one in found if since <= one.started_at <= until]


def _rows(session: Session, filters: Filters) -> tuple[set[uuid.UUID], list[Interaction]]:
    """Ids of what the filters want, and this with what anybody did to things about then."""
    since, until = filters.get("since"), filters.get("until")
    wanted: Filters = {**filters, "verbs": (*HOLDING, "throw", "kick")}
    wanted |= {"since": since and _before(since), "until": until and _after(until)}
    rows = list(find_interactions(session, **wanted, limit=_MOST))
    asked = {one.id for one in rows}
    anybody = wanted | _ANYBODY
    if rows and any(filters.get(name) is not None for name in _ANYBODY):
        first, last = min(one.started_at for one in rows), max(one.ended_at for one in rows)
        anybody |= {"since": _before(first), "until": _after(last)}
        rows = list(find_interactions(session, **anybody, limit=_MOST))
    return asked, rows


def _before(time: datetime) -> datetime:
    return max(time, EARLIEST) - HANDED


def _after(time: datetime) -> datetime:
    return min(time, LATEST) + HANDED


def _flew(custody: Custody[Interaction], let_fly: Sequence[Interaction]) -> bool:
    return any(abs(one.started_at - custody.until) <= HANDED for one in let_fly)


def _lives(session: Session, tracks: set[str]) -> Lives:
    row = TrackRow
    query = select(row.id, row.first_seen, row.last_seen).where(row.id.in_(sorted(tracks)))
    return {id_: (first, last) for id_, first, last in session.execute(query)}


def _told(verb: str, held: Interaction, at: datetime, belief: float) -> Interaction:
    """With the picture of the custody: there is none of the moment itself."""
    return replace(
        held,
        id=_id(verb, held, at),
        verb=verb,
        kind=Kind.MOMENT,
        started_at=at,
        ended_at=at,
        media_start=held.media_start + (at - held.started_at).total_seconds(),
        media_end=held.media_start + (at - held.started_at).total_seconds(),
        mean_score=IMPLIED * belief,
        peak_score=IMPLIED * belief,
        config=ASKED,
    )


def _id(verb: str, held: Interaction, at: datetime) -> uuid.UUID:
    return interaction_id(
        camera=held.camera,
        verb=verb,
        human_track=held.human_track,
        object_track=held.object_track,
        started_at=at,
        bundle=held.bundle,
        config=ASKED,
    )
