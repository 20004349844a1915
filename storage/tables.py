"""Rows of the database: runs and cameras, what they saw, and pair vectors."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    Double,
    Index,
    LargeBinary,
    MetaData,
    Text,
    Uuid,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

OPEN = text("phase <> 'end'")  # in a query as it is in the index, or the index is not used
Vector = npt.NDArray[np.float16]


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


class HalfVector(TypeDecorator[Vector]):
    """(D,) float16: pgvector's `halfvec` in PostgreSQL, little-endian bytes in SQLite."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name != "postgresql":
            return dialect.type_descriptor(LargeBinary())
        from pgvector.sqlalchemy import HALFVEC

        class TextHalfvec(HALFVEC):
            """Its text by the JSON encoder, which is four times as fast for 512 numbers."""

            def bind_processor(self, _dialect: Dialect) -> Any:
                return None

            def result_processor(self, _dialect: Dialect, _coltype: object) -> Any:
                return None

        return dialect.type_descriptor(TextHalfvec())

    def process_bind_param(self, value: Vector | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if dialect.name == "postgresql":
            return json.dumps(value.tolist())
        return value.astype("<f2").tobytes()

    def process_result_value(self, value: Any, dialect: Dialect) -> Vector | None:
        if value is None:
            return None
        if dialect.name == "postgresql":
            return np.array(json.loads(value), np.float16)
        return np.frombuffer(value, "<f2")


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


class CameraRow(Base):
    """A source by its name."""

    __tablename__ = "cameras"

    name: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str]  # without credentials, as the newest run had it
    first_run_at: Mapped[datetime]
    last_run_at: Mapped[datetime]


class TrackRow(Base):
    """A person or thing while it was seen."""

    __tablename__ = "tracks"
    __table_args__ = (Index(None, "camera", "last_seen"), Index(None, "last_seen"))

    id: Mapped[str] = mapped_column(primary_key=True)  # camera:epoch:n
    camera: Mapped[str]
    class_name: Mapped[str]
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    media_start: Mapped[float]
    media_end: Mapped[float]
    frames: Mapped[int]
    bundle: Mapped[str]
    colour: Mapped[str | None]  # of a thing, or of what a person wears above
    lower_colour: Mapped[str | None]  # below
    look: Mapped[Vector | None] = mapped_column(HalfVector())  # (D,) by the bundle's image tower


class InteractionRow(Base):
    """The newest phase of one interaction."""

    __tablename__ = "interactions"
    __table_args__ = (
        Index(None, "camera", "verb", "started_at", "object_class"),
        Index(None, "verb", "started_at"),
        Index(None, "object_class", "verb", "started_at"),
        Index(None, "human_number", "started_at"),
        Index(None, "object_track", "started_at"),
        Index(None, "started_at"),
        Index(None, "ended_at"),
        # The longest one bounds where those that were going on at a time can begin.
        Index("ix_interactions_length", text("(media_end - media_start)")),
        Index(  # what is open, asked at every start
            "ix_interactions_open", "camera", sqlite_where=OPEN, postgresql_where=OPEN
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    camera: Mapped[str]
    kind: Mapped[str]
    phase: Mapped[str]
    verb: Mapped[str]
    human_track: Mapped[str]
    human_number: Mapped[int]  # the last part of the track
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
    vector: Mapped[Vector | None] = mapped_column(HalfVector())  # (D,) at the peak
    rivals: Mapped[dict[str, Any] | None]  # what else it may have been
    snapshot: Mapped[str | None]
    clip: Mapped[str | None]
    clip_peak: Mapped[float | None]  # seconds into the clip
    end_reason: Mapped[str | None]
    bundle: Mapped[str]
    config: Mapped[str]


class PairVectorRow(Base):
    """The vector of a pair at a moment, for verbs that are asked for later."""

    __tablename__ = "pair_vectors"
    __table_args__ = (
        Index(None, "bundle", "camera", "taken_at"),
        Index(None, "bundle", "object_class", "taken_at"),
        Index(None, "bundle", "human_number", "taken_at"),
        Index(None, "bundle", "taken_at"),
        Index(None, "taken_at"),
        Index(None, "interaction"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    interaction: Mapped[uuid.UUID | None]
    moment: Mapped[str]  # start or end of the interaction, or sample
    camera: Mapped[str]
    human_track: Mapped[str]
    human_number: Mapped[int]  # the last part of the track
    object_track: Mapped[str]
    object_class: Mapped[str]
    taken_at: Mapped[datetime]
    media_time: Mapped[float]
    human_box: Mapped[list[float]]  # xyxy, pixels
    object_box: Mapped[list[float]]
    vector: Mapped[Vector] = mapped_column(HalfVector())  # (D,)
    bundle: Mapped[str]
