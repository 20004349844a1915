"""All SQL over what standing questions look at and find; the caller commits."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.orm import Session

from storage.alert_tables import AlertRow, DeliveryRow, LookRow, StandingRow
from storage.interactions import Interaction
from storage.standing import Standing
from storage.upserts import insert_into

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "hoi-stream/alert")


@dataclass(frozen=True)
class Look:
    """An interaction to look at, by all active questions or by one for the second time."""

    seq: int  # SQLite gives it again, once all are taken
    interaction: uuid.UUID
    standing: uuid.UUID | None
    due_at: datetime


@dataclass(frozen=True)
class Alert:
    """What a question found; `held`: why nobody was told."""

    id: uuid.UUID
    standing: str  # its name
    camera: str
    at: datetime
    held: str | None
    test: bool
    body: dict[str, Any]


def note_new(session: Session, interactions: Collection[Interaction], *, now: datetime) -> None:
    """In the transaction that stores them: the questions that are active will look at them."""
    if not interactions or not session.scalar(select(exists().where(StandingRow.active))):
        return
    rows = [{"interaction": one.id, "standing": None, "due_at": now} for one in interactions]
    session.execute(insert(LookRow), rows)


def looks_due(session: Session, *, now: datetime) -> bool:
    return bool(session.scalar(select(exists().where(LookRow.due_at <= now))))


def due_looks(session: Session, *, now: datetime, limit: int) -> list[Look]:
    """The oldest."""
    row = LookRow
    query = select(row.seq, row.interaction, row.standing, row.due_at).where(row.due_at <= now)
    found = session.execute(query.order_by(row.seq).limit(limit)).tuples()
    return [Look(*one) for one in found]


def take_looks(session: Session, looks: Collection[Look]) -> bool:
    """False: somebody else has taken one. They are back if the transaction fails."""
    row = LookRow
    columns = row.seq, row.interaction, row.standing, row.due_at
    taken = delete(row).where(row.seq.in_([look.seq for look in looks])).returning(*columns)
    return {Look(*one) for one in session.execute(taken).tuples()} == set(looks)


def look_again(
    session: Session, *, interaction: uuid.UUID, standing: uuid.UUID, due_at: datetime
) -> None:
    session.add(LookRow(interaction=interaction, standing=standing, due_at=due_at))


def drop_looks(session: Session) -> None:
    """Unless something is asked."""
    session.execute(delete(LookRow).where(~exists().where(StandingRow.active)))


def lock_standing(session: Session, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those that are still active; until the commit nobody else decides about their alerts."""
    query = select(StandingRow.id).where(StandingRow.id.in_(ids), StandingRow.active)
    return set(session.scalars(query.order_by(StandingRow.id).with_for_update()))


def alerted(
    session: Session, *, standing: uuid.UUID, interactions: Collection[uuid.UUID]
) -> set[uuid.UUID]:
    """Those of the interactions of which this question has an alert."""
    row = AlertRow
    query = select(row.interaction).where(
        row.standing == standing, row.interaction.in_(interactions)
    )
    return set(session.scalars(query))


def last_told(session: Session, *, standing: Standing, camera: str) -> datetime | None:
    """When the last alert was not held back; a test is none."""
    row = AlertRow
    query = select(row.at).where(row.standing == standing.id, row.held.is_(None), ~row.test)
    if standing.per_camera:
        query = query.where(row.camera == camera)
    return session.scalar(query.order_by(row.at.desc()).limit(1))


def add_alert(
    session: Session,
    *,
    standing: Standing,
    interaction: uuid.UUID,
    camera: str,
    at: datetime,
    body: dict[str, Any],
    held: str | None = None,
    test: bool = False,
) -> bool:
    """With a delivery for each channel, unless it is held back; False: it was there before."""
    id_ = alert_id(standing.id, interaction)
    values = {
        "id": id_, "standing": standing.id, "interaction": interaction, "camera": camera,
        "at": at, "held": held, "test": test, "body": {"id": str(id_), **body},
    }  # fmt: skip
    statement = insert_into(session, AlertRow).values(values).on_conflict_do_nothing()
    if not session.execute(statement.returning(AlertRow.id)).all():
        return False
    if held is None:
        for channel in standing.channels:
            delivery = uuid.uuid5(_NAMESPACE, f"{id_}\n{channel.id}")
            session.add(
                DeliveryRow(
                    id=delivery, alert=id_, channel=channel.id, test=test,
                    state="waiting", tries=0, next_at=at,
                )
            )  # fmt: skip
        session.flush()
    return True


def alert_id(standing: uuid.UUID, interaction: uuid.UUID) -> uuid.UUID:
    """The same at every evaluation."""
    return uuid.uuid5(_NAMESPACE, f"{standing}\n{interaction}")


def recent_alerts(
    session: Session, *, standing: str | None = None, limit: int = 50, offset: int = 0
) -> list[Alert]:
    """Newest first, those that were held back among them."""
    row = AlertRow
    query = select(row.id, StandingRow.name, row.camera, row.at, row.held, row.test, row.body).join(
        StandingRow, StandingRow.id == row.standing
    )
    if standing is not None:
        query = query.where(StandingRow.name == standing)
    query = query.order_by(row.at.desc(), row.id).limit(limit).offset(offset)
    return [Alert(*found) for found in session.execute(query).tuples()]


def delete_alerts_before(session: Session, *, before: datetime, limit: int) -> int:
    """Delete the oldest, with their log; returns how many."""
    row = AlertRow
    ids = list(session.scalars(select(row.id).where(row.at < before).order_by(row.at).limit(limit)))
    return len(session.execute(delete(row).where(row.id.in_(ids)).returning(row.id)).all())
