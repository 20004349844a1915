"""How likely it is that what is told did happen: what order rows of an answer have.

What else is told of the same people and things is evidence. The belief at an instant at which a
thing leaves its place says little about a pick-up: what follows does, the person has the thing.
So a pick-up is as likely as the custody that it begins, a put-down as the one that it ends, and a
throw needs one that it ends. Nobody sits or stands on two things at once, and no two people have
the same thing in their hands: these compete.

Tracks of one number are other people and things to another bundle or configuration, so only what
the same viewer tells is evidence. What stored vectors tell has no configuration, for a vector has
none: its viewer is the bundle, whatever the configuration.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import prod
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from storage.custodies import HANDED, Custody, custodies, given, taken
from storage.custody import HOLDING
from storage.filters import number_of
from storage.interactions import PICK_UP, PUT_DOWN, Interaction
from storage.looks import Looks
from storage.question import Clause
from storage.sequences import Match
from storage.tables import InteractionRow, TrackRow
from storage.told_windows import ASKED

_THROW = "throw"
_UPON = ("lie on", "ride", "sit on", "stand on")  # one is on one thing at a time
_NEAR, _FAR = timedelta(seconds=0.5), timedelta(seconds=2)  # from a transition to its custody
_LONGEST = timedelta(minutes=10)  # that a thing is held before it is put down, or sat on
_AT_ONCE = 100  # interactions in one query, in the order of time: most of their windows overlap
_ALONE = 0.3  # belief in a transition without such custody: as often a box that jumps
_BELOW = 0.5  # "in red" is said of the trunk at least twice as often as of the legs
_SURE = 1 - 1e-6  # no belief is more


class _Stored(NamedTuple):
    """What is looked at of an interaction; a tuple, for there are many."""

    bundle: str
    config: str
    verb: str
    human_track: str
    object_track: str
    started_at: datetime
    ended_at: datetime
    peak_score: float


def likelihoods(session: Session, found: Collection[Interaction]) -> dict[UUID, float]:
    """Probabilities by id."""
    beliefs = {one.id: one.peak_score for one in found}
    moved = [
        one for one in found if one.verb in (PICK_UP, PUT_DOWN, _THROW) and one.config != ASKED
    ]
    for one, held in _around(session, moved, _CUSTODY):
        beliefs[one.id] = _of_transition(one, list(custodies(held)))
    for look in (_SEAT, _HANDS):
        for one, others in _around(session, [o for o in found if o.verb in look.verbs], look):
            beliefs[one.id] = _share(one, [other for other in others if _rivals(one, other)])
    return beliefs


def judged(
    session: Session, found: Sequence[Match], asked: Clause, looks: Looks | None = None
) -> list[Match]:
    """With how likely each is: all of it happened, and who did it is who was asked for; with what
    looks as was asked for, as far as that was found."""
    known = likelihoods(session, {one.id: one for match in found for one in _parts(match)}.values())
    meant = _meant(session, {match.interaction.human_track for match in found}, asked)
    return [
        replace(
            match,
            likelihood=meant[match.interaction.human_track]
            * prod(known[one.id] for one in _parts(match))
            * (1.0 if looks is None else _likeness(looks, match, asked)),
        )
        for match in found
    ]


def _parts(match: Match) -> tuple[Interaction, ...]:
    return match.interaction, *match.evidence


def _likeness(looks: Looks, match: Match, asked: Clause) -> float:
    one = match.interaction
    return looks.likeness(asked, one.human_track, one.object_track)


def _meant(session: Session, people: Collection[str], asked: Clause) -> dict[str, float]:
    """Probabilities by track: "in red" is said of a shirt or of trousers."""
    if asked.person_colour is None:
        return dict.fromkeys(people, 1.0)
    row = TrackRow
    query = select(row.id).where(row.id.in_(sorted(people)), row.colour == asked.person_colour)
    above = set(session.scalars(query))
    return {person: 1.0 if person in above else _BELOW for person in people}


def _of_transition(one: Interaction, held: Sequence[Custody[_Stored]]) -> float:
    """Who has it next to one who had it before was handed it; in hands before and after, it was
    jolted."""
    since, until = _near(one)
    mine = [custody for custody in held if custody.person == one.human_track]
    others = [custody for custody in held if custody.person != one.human_track]
    if one.verb == PICK_UP:
        fits = [c for c in mine if since <= c.since <= until and not given(c, others)]
    else:
        caught = one.verb == _THROW  # then another may have it
        ends = [c for c in mine if since <= c.until <= until]
        fits = [c for c in ends if caught or not taken(c, others)]
    belief = max((custody.belief for custody in fits), default=_ALONE)
    return belief * one.peak_score if one.verb == _THROW else belief


def _share(one: Interaction, rivals: Sequence[_Stored]) -> float:
    """Of the odds of all of them, of which one at most is true."""
    odds = defaultdict[tuple[str, str], float](float)
    for rival in rivals:
        pair = rival.human_track, rival.object_track
        odds[pair] = max(odds[pair], _odds(rival.peak_score))
    own = _odds(one.peak_score)
    return own / (1 + own + sum(odds.values()))


def _odds(belief: float) -> float:
    belief = min(belief, _SURE)
    return belief / (1 - belief)


def _rivals(one: Interaction, other: _Stored) -> bool:
    """Cannot both be at the best moment of the one?"""
    person, thing = other.human_track == one.human_track, other.object_track == one.object_track
    upon = one.verb in _UPON and other.verb in _UPON and person and not thing
    held = one.verb in HOLDING and other.verb in HOLDING and thing and not person
    meanwhile = other.started_at <= _best(one) <= other.ended_at
    return (upon or held) and meanwhile


def _best(one: Interaction) -> datetime:
    return one.started_at + timedelta(seconds=one.peak_at - one.media_start)


_Window = tuple[datetime, datetime]  # of when what is looked for starts


@dataclass(frozen=True)
class _Look:
    """What is looked for around an interaction."""

    verbs: tuple[str, ...]
    track: str  # the column in which it has the interaction's own
    window: Callable[[Interaction], _Window]


def _near(one: Interaction) -> _Window:
    """When the custody begins that a pick-up begins, or ends that another one ends."""
    before, after = (_NEAR, _FAR) if one.verb == PICK_UP else (_FAR, _NEAR)
    return one.started_at - before, one.started_at + after


def _about(one: Interaction) -> _Window:
    """Of what may be the custody before or after it."""
    return one.started_at - _LONGEST, _near(one)[1] + HANDED


def _meanwhile(one: Interaction) -> _Window:
    return _best(one) - _LONGEST, _best(one)


_CUSTODY = _Look(HOLDING, "object_track", _about)  # anybody's
_HANDS = _Look(HOLDING, "object_track", _meanwhile)  # who else has the thing
_SEAT = _Look(_UPON, "human_track", _meanwhile)  # what else the person is on


def _around(
    session: Session, found: Iterable[Interaction], look: _Look
) -> Iterator[tuple[Interaction, list[_Stored]]]:
    """Each with what its viewer tells of its track in its window, whatever else is found."""
    ordered = sorted(found, key=look.window)
    for start in range(0, len(ordered), _AT_ONCE):
        some = ordered[start : start + _AT_ONCE]
        by_track = defaultdict[str, list[_Stored]](list)
        for other in _stored(session, some, look):
            by_track[getattr(other, look.track)].append(other)
        for one in some:
            since, until = look.window(one)
            told = by_track[getattr(one, look.track)]
            yield one, [o for o in told if since <= o.started_at <= until and _is_seen(o, one)]


def _is_seen(other: _Stored, one: Interaction) -> bool:
    """By the viewer of the one?"""
    return other.bundle == one.bundle and one.config in (other.config, ASKED)


def _stored(session: Session, some: Sequence[Interaction], look: _Look) -> list[_Stored]:
    """What is told of their tracks while any of their windows is open."""
    row = InteractionRow
    track, tracks = getattr(row, look.track), {getattr(one, look.track) for one in some}
    windows = [look.window(one) for one in some]
    since, until = min(s for s, _ in windows), max(u for _, u in windows)
    # The verb behind a sum: else SQLite takes the index of verbs, which knows nothing of tracks.
    wanted = [track.in_(sorted(tracks)), (literal("") + row.verb).in_(look.verbs)]
    if look.track == "human_track":  # there is an index of its number
        wanted.append(row.human_number.in_(sorted({number_of(one) for one in tracks})))
    columns = [row.__table__.c[name] for name in _Stored._fields]
    query = select(*columns).where(*wanted, row.started_at.between(since, until))
    return [_Stored._make(one) for one in session.execute(query)]
