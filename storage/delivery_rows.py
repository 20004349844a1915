"""All SQL over deliveries of alerts and their log, as functions of a session.

The caller commits.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from storage.alert_tables import AlertRow, AttemptRow, ChannelRow, DeliveryRow, StandingRow
from storage.channels import Channel

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"
LEASE = timedelta(seconds=90)  # longer than any try takes; after it another may try


@dataclass(frozen=True)
class Delivery:
    """A try that is to be made now; `id` is the same at every try, and at no other delivery."""

    seq: int
    id: uuid.UUID
    channel: Channel
    body: dict[str, Any]
    alert_at: datetime
    tries: int  # this one included
    test: bool


@dataclass(frozen=True)
class Attempt:
    """A line of the log; a delivery that was not tried yet has none."""

    at: datetime
    standing: str
    alert: uuid.UUID
    channel: Channel
    state: str  # of the delivery
    test: bool
    outcome: str
    seconds: float
    next_at: datetime | None


def due(session: Session, *, now: datetime, alert: uuid.UUID | None = None) -> Sequence[int]:
    """Deliveries to try now. Of a channel only the oldest, for alerts arrive in their order, but
    tests do not queue; `alert`: those of this one."""
    row, older = DeliveryRow, aliased(DeliveryRow)
    first = ~exists().where(
        older.channel == row.channel, older.state == WAITING, older.seq < row.seq, ~older.test
    )
    query = select(row.seq).where(row.state == WAITING, row.next_at <= now, or_(row.test, first))
    if alert is not None:
        query = query.where(row.alert == alert)
    return session.scalars(query.order_by(row.next_at, row.seq).limit(100)).all()


def claim(session: Session, seq: int, *, now: datetime) -> Delivery | None:
    """For one try by the caller alone; None: another was faster."""
    row = DeliveryRow
    mine = (
        update(row)
        .where(row.seq == seq, row.state == WAITING, row.next_at <= now)
        .values(next_at=now + LEASE, tries=row.tries + 1)
        .returning(row.id, row.alert, row.channel, row.tries, row.test)
    )
    found = session.execute(mine).one_or_none()
    if found is None:
        return None
    alert, channel = (
        session.get_one(AlertRow, found.alert),
        session.get_one(ChannelRow, found.channel),
    )
    place = Channel(channel.id, channel.url, channel.secret)
    return Delivery(seq, found.id, place, alert.body, alert.at, found.tries, found.test)


def note_attempt(
    session: Session,
    delivery: Delivery,
    *,
    at: datetime,
    outcome: str,
    seconds: float,
    state: str,
    next_at: datetime | None = None,
) -> None:
    """How the try went; `next_at` with the state `waiting` alone."""
    changes: dict[str, Any] = {"state": state}
    if next_at is not None:
        changes["next_at"] = next_at
    row = DeliveryRow
    mine = update(row).where(row.id == delivery.id).values(changes).returning(row.seq)
    seq = session.scalar(mine)
    if seq is None:
        return  # its question was removed meanwhile
    session.add(AttemptRow(delivery=seq, at=at, outcome=outcome, seconds=seconds, next_at=next_at))
    session.flush()


def delivery_log(
    session: Session,
    *,
    standing: str | None = None,
    alert: uuid.UUID | None = None,
    limit: int = 50,
    offset: int = 0,
) -> list[Attempt]:
    """Newest tries first."""
    attempt, delivery, channel = AttemptRow, DeliveryRow, ChannelRow
    query = (
        select(attempt, delivery, channel, StandingRow.name)
        .join(delivery, delivery.seq == attempt.delivery)
        .join(channel, channel.id == delivery.channel)
        .join(StandingRow, StandingRow.id == channel.standing)
    )
    if standing is not None:
        query = query.where(StandingRow.name == standing)
    if alert is not None:
        query = query.where(delivery.alert == alert)
    query = query.order_by(attempt.seq.desc()).limit(limit).offset(offset)
    return [
        Attempt(
            at=tried.at,
            standing=name,
            alert=sent.alert,
            channel=Channel(place.id, place.url, place.secret),
            state=sent.state,
            test=sent.test,
            outcome=tried.outcome,
            seconds=tried.seconds,
            next_at=tried.next_at if sent.state == WAITING else None,
        )
        for tried, sent, place, name in session.execute(query).tuples()
    ]


def untried(session: Session, *, standing: str | None = None, limit: int = 50) -> list[Attempt]:
    """Deliveries that wait for their first try, the newest first, as lines of the log."""
    delivery, channel, alert = DeliveryRow, ChannelRow, AlertRow
    query = (
        select(delivery, channel, alert.at, StandingRow.name)
        .join(channel, channel.id == delivery.channel)
        .join(alert, alert.id == delivery.alert)
        .join(StandingRow, StandingRow.id == channel.standing)
        .where(delivery.state == WAITING, delivery.tries == 0)
    )
    if standing is not None:
        query = query.where(StandingRow.name == standing)
    query = query.order_by(delivery.seq.desc()).limit(limit)
    return [
        Attempt(
            at=at,
            standing=name,
            alert=waits.alert,
            channel=Channel(place.id, place.url, place.secret),
            state=waits.state,
            test=waits.test,
            outcome="not tried yet: a run, or `stream alerts run`, sends it",
            seconds=0.0,
            next_at=waits.next_at,
        )
        for waits, place, at, name in session.execute(query).tuples()
    ]


def waiting_deliveries(session: Session) -> int:
    row = DeliveryRow
    query = select(func.count()).select_from(row).where(row.state == WAITING)
    return session.execute(query).scalar_one()
