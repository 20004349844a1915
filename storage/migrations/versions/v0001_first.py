"""Runs and interactions."""

import sqlalchemy as sa
from alembic import op

from storage.tables import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("sources", sa.Text(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("summary", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_started_at", "runs", ["started_at"])
    op.create_table(
        "interactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in (
                *("camera", "kind", "phase", "verb"),
                *("human_track", "object_track", "object_class"),
            )
        ),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=False),
        *(
            sa.Column(name, sa.Double(), nullable=False)
            for name in ("media_start", "media_end", "mean_score", "peak_score", "peak_at")
        ),
        sa.Column("human_box", sa.JSON(), nullable=False),
        sa.Column("object_box", sa.JSON(), nullable=False),
        sa.Column("vector", sa.LargeBinary()),
        sa.Column("snapshot", sa.Text()),
        sa.Column("clip", sa.Text()),
        sa.Column("end_reason", sa.Text()),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_interactions"),
    )
    for columns in (
        ["camera", "started_at"],
        ["verb", "started_at"],
        ["started_at"],
        ["phase", "camera"],
    ):
        op.create_index(f"ix_interactions_{'_'.join(columns)}", "interactions", columns)


def downgrade() -> None:
    op.drop_table("interactions")
    op.drop_table("runs")
