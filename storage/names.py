"""Which cameras, verbs and classes there are in the database."""

from functools import cache

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.tables import CameraRow, InteractionRow


def cameras(session: Session) -> list[str]:
    """Those of runs, too, that have seen nothing yet."""
    watched = session.scalars(select(CameraRow.name))
    return sorted({*distinct(session, InteractionRow.camera), *watched})


def verbs_seen(session: Session) -> list[str]:
    return distinct(session, InteractionRow.verb)


def object_classes_seen(session: Session) -> list[str]:
    return distinct(session, InteractionRow.object_class)


def distinct(session: Session, column: InstrumentedAttribute[str]) -> list[str]:
    """All values of a column that an index begins with, in order."""
    return list(session.scalars(_values(column)))


@cache  # to write it takes longer than to run it
def _values(column: InstrumentedAttribute[str]) -> Select[tuple[str]]:
    """By steps from one value to the next greater one, which an index takes in no time."""
    first = select(func.min(column).label("value")).cte("steps", recursive=True)
    following = select(func.min(column)).where(column > first.c.value).scalar_subquery()
    steps = first.union_all(select(following).where(first.c.value.is_not(None)))
    return select(steps.c.value).where(steps.c.value.is_not(None))
