"""Rows of standing questions: what is watched for, what was found, and how it was told."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables import Base

_WAITING = text("state = 'waiting'")


class StandingRow(Base):
    """A question that is asked of everything new."""

    __tablename__ = "standing_questions"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    question: Mapped[dict[str, Any]]  # `storage.question.Question`, as it was understood
    cameras: Mapped[str]  # one a line; none: all of them
    active: Mapped[bool]
    at_end: Mapped[bool]  # told when it is over, not as soon as it is known
    min_score: Mapped[float]
    cooldown: Mapped[float]  # seconds
    per_camera: Mapped[bool]  # the cool-down
    quiet: Mapped[str]  # 22:00-07:00, ...
    zone: Mapped[str]  # of the quiet hours
    created_at: Mapped[datetime]
    trouble: Mapped[str | None]  # why a run cannot watch for it


class ChannelRow(Base):
    """Where the alerts of a question go."""

    __tablename__ = "standing_channels"
    __table_args__ = (Index(None, "standing"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    standing: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("standing_questions.id", ondelete="CASCADE")
    )
    url: Mapped[str]  # with references in place of secrets
    secret: Mapped[str | None]  # reference of what signs a webhook


class LookRow(Base):
    """An interaction that active questions still have to look at: the outbox of the watch."""

    __tablename__ = "alert_looks"
    __table_args__ = (Index(None, "due_at"),)

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    interaction: Mapped[uuid.UUID]
    standing: Mapped[uuid.UUID | None]  # this question alone, for the second time
    due_at: Mapped[datetime]


class AlertRow(Base):
    """What a question found; once for each of its interactions."""

    __tablename__ = "alerts"
    __table_args__ = (UniqueConstraint("standing", "interaction"), Index(None, "at"))

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    standing: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("standing_questions.id", ondelete="CASCADE")
    )
    interaction: Mapped[uuid.UUID]  # a random one for a test
    camera: Mapped[str]
    at: Mapped[datetime]
    held: Mapped[str | None]  # why nobody was told
    test: Mapped[bool]
    body: Mapped[dict[str, Any]]  # what is told


class DeliveryRow(Base):
    """An alert on its way to a channel."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("id"),
        Index(None, "alert"),
        Index(  # what is to be sent, asked every second
            "ix_deliveries_waiting",
            *("channel", "seq"),
            sqlite_where=_WAITING,
            postgresql_where=_WAITING,
        ),
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)  # the order of telling
    id: Mapped[uuid.UUID]  # the idempotency key
    alert: Mapped[uuid.UUID] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    channel: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("standing_channels.id", ondelete="CASCADE")
    )
    test: Mapped[bool]  # it is tried once, and waits for no other
    state: Mapped[str]  # waiting, delivered or failed
    tries: Mapped[int]
    next_at: Mapped[datetime]  # of the next try; while one is made, when it counts as lost


class AttemptRow(Base):
    """One try of a delivery."""

    __tablename__ = "delivery_attempts"
    __table_args__ = (Index(None, "delivery"),)

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    delivery: Mapped[int] = mapped_column(ForeignKey("deliveries.seq", ondelete="CASCADE"))
    at: Mapped[datetime]
    outcome: Mapped[str]
    seconds: Mapped[float]
    next_at: Mapped[datetime | None]
