"""Rows of the database: runs of the program and the interactions they saw."""

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Double, Index, LargeBinary, MetaData, Text, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in and out: SQLite gives naive datetimes back, PostgreSQL the session's zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive datetime cannot be stored: {value.isoformat()}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  # read by SQLAlchemy from the class body
        str: Text(),
        float: Double(),
        datetime: UtcDateTime(),
        uuid.UUID: Uuid(),
        bytes: LargeBinary(),
        dict[str, Any]: JSON(),
        list[float]: JSON(),
    }


class RunRow(Base):
    """One start of the program."""

    __tablename__ = "runs"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    started_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    sources: Mapped[str]  # one a line, without credentials
    bundle: Mapped[str]
    config: Mapped[str]
    summary: Mapped[dict[str, Any] | None]


class InteractionRow(Base):
    """The newest phase of one interaction."""

    __tablename__ = "interactions"
    __table_args__ = (
        Index(None, "camera", "started_at"),
        Index(None, "verb", "started_at"),
        Index(None, "started_at"),
        Index(None, "ended_at"),
        Index(None, "phase", "camera"),  # what is open, asked at every start
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    camera: Mapped[str]
    kind: Mapped[str]
    phase: Mapped[str]
    verb: Mapped[str]
    human_track: Mapped[str]
    object_track: Mapped[str]
    object_class: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    media_start: Mapped[float]
    media_end: Mapped[float]
    mean_score: Mapped[float]
    peak_score: Mapped[float]
    peak_at: Mapped[float]
    human_box: Mapped[list[float]]  # xyxy, pixels, at the peak
    object_box: Mapped[list[float]]
    vector: Mapped[bytes | None]  # (D,) float16, little-endian
    snapshot: Mapped[str | None]
    clip: Mapped[str | None]
    end_reason: Mapped[str | None]
    bundle: Mapped[str]
    config: Mapped[str]
