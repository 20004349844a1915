"""Rivals, pair vectors as halfvec, cameras, tracks, and indices for ten million interactions."""

from typing import Any

import numpy as np
import sqlalchemy as sa
from alembic import op

from storage.tables import OPEN, HalfVector, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OLD = (["camera", "started_at"], ["phase", "camera"])
_NEW = (
    ["camera", "verb", "started_at", "object_class"],
    ["object_class", "verb", "started_at"],
    ["human_number", "started_at"],
    ["ended_at"],
)
_NUMBER = {  # what follows the last colon
    "sqlite": "CAST(replace(human_track,"
    " rtrim(human_track, replace(human_track, ':', '')), '') AS INTEGER)",
    "postgresql": "coalesce(substring(human_track FROM ':([0-9]+)$')::int, 0)",
}
_BATCH = 1000  # rows in memory while vectors change their type


def upgrade() -> None:
    op.add_column("interactions", sa.Column("rivals", sa.JSON()))
    op.add_column("interactions", sa.Column("clip_peak", sa.Double()))
    op.add_column(
        "interactions", sa.Column("human_number", sa.Integer(), nullable=False, server_default="0")
    )
    op.execute(f"UPDATE interactions SET human_number = {_NUMBER[op.get_bind().dialect.name]}")
    for columns in _OLD:
        op.drop_index(f"ix_interactions_{'_'.join(columns)}", "interactions")
    for columns in _NEW:
        op.create_index(f"ix_interactions_{'_'.join(columns)}", "interactions", columns)
    length = sa.text("(media_end - media_start)")
    op.create_index("ix_interactions_length", "interactions", [length])
    op.create_index(
        "ix_interactions_open", "interactions", ["camera"], sqlite_where=OPEN, postgresql_where=OPEN
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE EXTENSION IF NOT EXISTS vector")
        _retype_vectors(sa.LargeBinary(), HalfVector())
    op.create_table(
        "pair_vectors",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("interaction", sa.Uuid()),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("moment", "camera", "human_track", "object_track", "object_class")
        ),
        sa.Column("taken_at", UtcDateTime(), nullable=False),
        sa.Column("media_time", sa.Double(), nullable=False),
        sa.Column("human_box", sa.JSON(), nullable=False),
        sa.Column("object_box", sa.JSON(), nullable=False),
        sa.Column("vector", HalfVector(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pair_vectors"),
    )
    for columns in (["camera", "taken_at"], ["taken_at"], ["interaction"]):
        op.create_index(f"ix_pair_vectors_{'_'.join(columns)}", "pair_vectors", columns)

    op.create_table(
        "cameras",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("name", "source")),
        *(
            sa.Column(name, UtcDateTime(), nullable=False)
            for name in ("first_run_at", "last_run_at")
        ),
        sa.PrimaryKeyConstraint("name", name="pk_cameras"),
    )
    op.create_table(
        "tracks",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "camera", "class_name")),
        *(sa.Column(name, UtcDateTime(), nullable=False) for name in ("first_seen", "last_seen")),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("media_start", "media_end")),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tracks"),
    )
    for columns in (["camera", "last_seen"], ["last_seen"]):
        op.create_index(f"ix_tracks_{'_'.join(columns)}", "tracks", columns)


def downgrade() -> None:
    for table in ("tracks", "cameras", "pair_vectors"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        _retype_vectors(HalfVector(), sa.LargeBinary())
    op.drop_index("ix_interactions_open", "interactions")
    op.drop_index("ix_interactions_length", "interactions")
    for columns in _NEW:
        op.drop_index(f"ix_interactions_{'_'.join(columns)}", "interactions")
    for columns in _OLD:
        op.create_index(f"ix_interactions_{'_'.join(columns)}", "interactions", columns)
    op.drop_column("interactions", "human_number")
    op.drop_column("interactions", "clip_peak")
    op.drop_column("interactions", "rivals")


def _retype_vectors(old: sa.types.TypeEngine[Any], new: sa.types.TypeEngine[Any]) -> None:
    """There is no cast between bytea and halfvec: the rows come by here."""
    connection = op.get_bind()
    op.alter_column("interactions", "vector", new_column_name="old_vector")
    op.add_column("interactions", sa.Column("vector", new))
    table = sa.table(
        "interactions", sa.column("id", sa.Uuid()), sa.column("vector", new),
        sa.column("old_vector", old),
    )  # fmt: skip
    query = sa.select(table.c.id, table.c.old_vector).where(table.c.old_vector.is_not(None))
    write = (
        sa.update(table)
        .where(table.c.id == sa.bindparam("row"))
        .values(vector=sa.bindparam("value"))
    )
    last = None
    while True:
        batch = query if last is None else query.where(table.c.id > last)
        rows = connection.execute(batch.order_by(table.c.id).limit(_BATCH)).all()
        if not rows:
            break
        last = rows[-1].id
        connection.execute(
            write, [{"row": row.id, "value": _converted(row.old_vector)} for row in rows]
        )
    op.drop_column("interactions", "old_vector")


def _converted(vector: object) -> object:
    if isinstance(vector, bytes):
        return np.frombuffer(vector, "<f2")
    return np.asarray(vector).astype("<f2").tobytes()
