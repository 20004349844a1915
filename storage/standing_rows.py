"""All SQL over standing questions and their channels, as functions of a session.

The caller commits.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from storage.alert_tables import ChannelRow, StandingRow
from storage.channels import Channel
from storage.quiet import AlertError, QuietHours
from storage.standing import Standing, question_from_dict, question_to_dict

logger = logging.getLogger(__name__)


def save_standing(session: Session, standing: Standing) -> Standing:
    """Add it, or change the one of this name, which keeps its id, its log, and those channels
    that are the same."""
    row = session.scalar(select(StandingRow).where(StandingRow.name == standing.name))
    kept: dict[tuple[str, str | None], Channel] = {}
    if row is not None:
        standing = replace(standing, id=row.id, created_at=row.created_at)
        old = _channels(session, [row.id]).get(row.id, ())
        kept = {(channel.url, channel.secret): channel for channel in old}
    same = tuple(kept.get((c.url, c.secret), c) for c in standing.channels)
    standing = replace(standing, channels=same)
    session.merge(_to_row(standing))
    session.flush()
    mine = [channel.id for channel in same]
    gone = ChannelRow.standing == standing.id, ChannelRow.id.not_in(mine)
    session.execute(delete(ChannelRow).where(*gone))
    for channel in same:
        session.merge(
            ChannelRow(id=channel.id, standing=standing.id, url=channel.url, secret=channel.secret)
        )
    session.flush()
    return standing


def all_standing(session: Session, *, active: bool = False) -> list[Standing]:
    """By name; `active`: without those that pause."""
    query = select(StandingRow).order_by(StandingRow.name)
    if active:
        query = query.where(StandingRow.active)
    rows = session.scalars(query).all()
    channels = _channels(session, [row.id for row in rows])
    found = []
    for row in rows:
        try:
            found.append(_to_standing(row, channels.get(row.id, ())))
        except AlertError as error:  # of a newer program; the others are asked all the same
            logger.warning("standing question %s: %s", row.name, error)
    return found


def get_standing(session: Session, name: str) -> Standing:
    """Raises `AlertError` if there is none of this name."""
    row = session.scalar(select(StandingRow).where(StandingRow.name == name))
    if row is None:
        known = ", ".join(session.scalars(select(StandingRow.name).order_by(StandingRow.name)))
        raise AlertError(f"no standing question {name!r}; there are: {known or 'none'}")
    return _to_standing(row, _channels(session, [row.id]).get(row.id, ()))


def remove_standing(session: Session, name: str) -> None:
    """With its channels, its alerts and their log."""
    gone = delete(StandingRow).where(StandingRow.name == name).returning(StandingRow.id)
    if not session.execute(gone).all():
        get_standing(session, name)  # says which there are


def set_active(session: Session, name: str, *, active: bool) -> None:
    standing = get_standing(session, name)
    session.execute(update(StandingRow).where(StandingRow.id == standing.id).values(active=active))


def set_trouble(session: Session, id: uuid.UUID, trouble: str | None) -> None:
    """What keeps a run from watching for it."""
    session.execute(update(StandingRow).where(StandingRow.id == id).values(trouble=trouble))


def get_channel(session: Session, id: uuid.UUID) -> Channel | None:
    row = session.get(ChannelRow, id)
    return None if row is None else Channel(row.id, row.url, row.secret)


def _channels(session: Session, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, tuple[Channel, ...]]:
    found: dict[uuid.UUID, tuple[Channel, ...]] = {}
    query = select(ChannelRow).where(ChannelRow.standing.in_(ids)).order_by(ChannelRow.url)
    for row in session.scalars(query):
        channel = Channel(row.id, row.url, row.secret)
        found[row.standing] = (*found.get(row.standing, ()), channel)
    return found


def _to_row(standing: Standing) -> StandingRow:
    return StandingRow(
        id=standing.id,
        name=standing.name,
        question=question_to_dict(standing.question),
        cameras="\n".join(standing.cameras),
        active=standing.active,
        at_end=standing.at_end,
        min_score=standing.min_score,
        cooldown=standing.cooldown.total_seconds(),
        per_camera=standing.per_camera,
        quiet=str(standing.quiet),
        zone=standing.quiet.zone,
        created_at=standing.created_at,
        trouble=standing.trouble,
    )


def _to_standing(row: StandingRow, channels: tuple[Channel, ...]) -> Standing:
    return Standing(
        id=row.id,
        name=row.name,
        question=question_from_dict(row.question),
        channels=channels,
        cameras=tuple(row.cameras.splitlines()),
        active=row.active,
        at_end=row.at_end,
        min_score=row.min_score,
        cooldown=timedelta(seconds=row.cooldown),
        per_camera=row.per_camera,
        quiet=QuietHours.parse(row.quiet, row.zone),
        created_at=row.created_at,
        trouble=row.trouble,
    )
