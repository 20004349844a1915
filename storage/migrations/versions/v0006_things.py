"""Interactions by thing: what is told around those that are judged."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INDEX = "ix_interactions_object_track_started_at"


def upgrade() -> None:
    op.create_index(_INDEX, "interactions", ["object_track", "started_at"])


def downgrade() -> None:
    op.drop_index(_INDEX, "interactions")
