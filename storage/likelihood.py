"""How likely it is that what is told did happen: what order rows of an answer have.

The belief at an instant at which a thing leaves its place says little about a pick-up: what follows
does, the person has the thing. So a pick-up is as likely as the custody that it begins, a put-down
as the one that it ends.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from storage.custody import HOLDING
from storage.interactions import PICK_UP, Interaction
from storage.speech import MOTION
from storage.tables import InteractionRow
from storage.told_windows import ASKED

_NEAR, _FAR = timedelta(seconds=0.5), timedelta(seconds=2)  # from a transition to its custody
_LONGEST = timedelta(minutes=10)  # that a thing is held before it is put down
_AT_ONCE = 100  # transitions in one query
_ALONE = 0.3  # belief in a transition without such custody: as often a box that jumps


def likelihoods(session: Session, found: Collection[Interaction]) -> dict[UUID, float]:
    """Probabilities by id."""
    moved = {one.id: one for one in found if one.verb in MOTION and one.config != ASKED}
    row, beliefs = InteractionRow, dict.fromkeys(moved, _ALONE)
    for some in _batches(list(moved.values())):
        pair = row.human_track, row.object_track
        query = select(*pair, row.started_at, row.ended_at, row.peak_score)
        held = session.execute(query.where(or_(*map(_custody_near, some)))).all()
        for one in some:
            since, until = _near(one)
            near = (
                other.peak_score
                for other in held
                if (other.human_track, other.object_track) == (one.human_track, one.object_track)
                and since <= (other.started_at if one.verb == PICK_UP else other.ended_at) <= until
            )
            beliefs[one.id] = max(near, default=_ALONE)
    return {one.id: beliefs.get(one.id, one.peak_score) for one in found}


def _custody_near(one: Interaction) -> ColumnElement[bool]:
    since, until = _near(one)
    row = InteractionRow
    return and_(
        row.camera == one.camera,
        row.verb.in_(HOLDING),
        row.started_at.between(since - _LONGEST, until),
        row.human_track == one.human_track,
        row.object_track == one.object_track,
    )


def _near(one: Interaction) -> tuple[datetime, datetime]:
    """When the custody begins that a pick-up begins, or ends that a put-down ends.

    One that goes on before and after, too, says that the thing was jolted in the hand.
    """
    before, after = (_NEAR, _FAR) if one.verb == PICK_UP else (_FAR, _NEAR)
    return one.started_at - before, one.started_at + after


def _batches(every: Sequence[Interaction]) -> Iterator[Sequence[Interaction]]:
    for start in range(0, len(every), _AT_ONCE):
        yield every[start : start + _AT_ONCE]
