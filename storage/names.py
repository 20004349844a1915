"""Which cameras, verbs and classes there are in the database."""

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.tables import InteractionRow


def cameras(session: Session) -> list[str]:
    return _distinct(session, InteractionRow.camera)


def verbs_seen(session: Session) -> list[str]:
    return _distinct(session, InteractionRow.verb)


def object_classes_seen(session: Session) -> list[str]:
    return _distinct(session, InteractionRow.object_class)


def _distinct(session: Session, column: InstrumentedAttribute[str]) -> list[str]:
    """By steps from one value to the next greater one, which an index takes in no time."""
    first = select(func.min(column).label("value")).cte("steps", recursive=True)
    following = select(func.min(column)).where(column > first.c.value).scalar_subquery()
    steps = first.union_all(select(following).where(first.c.value.is_not(None)))
    return list(session.scalars(select(steps.c.value).where(steps.c.value.is_not(None))))
