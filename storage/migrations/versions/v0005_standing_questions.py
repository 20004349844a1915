"""Standing questions, their channels, what they found and how it was told."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from storage.tables import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_WAITING = sa.text("state = 'waiting'")
_TABLES = (
    *("delivery_attempts", "deliveries", "alerts", "alert_looks"),
    *("standing_channels", "standing_questions"),
)


def upgrade() -> None:
    op.create_table(
        "standing_questions",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_columns(sa.Text, "name"),
        *_columns(sa.JSON, "question"),
        *_columns(sa.Text, "cameras"),
        *_columns(sa.Boolean, "active", "at_end"),
        *_columns(sa.Double, "min_score", "cooldown"),
        *_columns(sa.Boolean, "per_camera"),
        *_columns(sa.Text, "quiet", "zone"),
        *_columns(UtcDateTime, "created_at"),
        sa.Column("trouble", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_standing_questions"),
        sa.UniqueConstraint("name", name="uq_standing_questions_name"),
    )
    op.create_table(
        "standing_channels",
        *_columns(sa.Uuid, "id", "standing"),
        *_columns(sa.Text, "url"),
        sa.Column("secret", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_standing_channels"),
        _belongs("standing_channels", "standing", "standing_questions.id"),
    )
    op.create_table(
        "alert_looks",
        sa.Column("seq", sa.Integer(), nullable=False),
        *_columns(sa.Uuid, "interaction"),
        sa.Column("standing", sa.Uuid()),
        *_columns(UtcDateTime, "due_at"),
        sa.PrimaryKeyConstraint("seq", name="pk_alert_looks"),
    )
    op.create_table(
        "alerts",
        *_columns(sa.Uuid, "id", "standing", "interaction"),
        *_columns(sa.Text, "camera"),
        *_columns(UtcDateTime, "at"),
        sa.Column("held", sa.Text()),
        *_columns(sa.Boolean, "test"),
        *_columns(sa.JSON, "body"),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
        sa.UniqueConstraint("standing", "interaction", name="uq_alerts_standing_interaction"),
        _belongs("alerts", "standing", "standing_questions.id"),
    )
    op.create_table(
        "deliveries",
        sa.Column("seq", sa.Integer(), nullable=False),
        *_columns(sa.Uuid, "id", "alert", "channel"),
        *_columns(sa.Boolean, "test"),
        *_columns(sa.Text, "state"),
        *_columns(sa.Integer, "tries"),
        *_columns(UtcDateTime, "next_at"),
        sa.PrimaryKeyConstraint("seq", name="pk_deliveries"),
        sa.UniqueConstraint("id", name="uq_deliveries_id"),
        _belongs("deliveries", "alert", "alerts.id"),
        _belongs("deliveries", "channel", "standing_channels.id"),
    )
    op.create_table(
        "delivery_attempts",
        *_columns(sa.Integer, "seq", "delivery"),
        *_columns(UtcDateTime, "at"),
        *_columns(sa.Text, "outcome"),
        *_columns(sa.Double, "seconds"),
        sa.Column("next_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("seq", name="pk_delivery_attempts"),
        _belongs("delivery_attempts", "delivery", "deliveries.seq"),
    )
    for table, column in (
        ("standing_channels", "standing"),
        ("alert_looks", "due_at"),
        ("alerts", "at"),
        ("deliveries", "alert"),
        ("delivery_attempts", "delivery"),
    ):
        op.create_index(f"ix_{table}_{column}", table, [column])
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["channel", "seq"],
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)


def _columns(kind: type[sa.types.TypeEngine[Any]], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind(), nullable=False) for name in names]


def _belongs(table: str, column: str, key: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{key.partition('.')[0]}"
    return sa.ForeignKeyConstraint([column], [key], name=name, ondelete="CASCADE")
