"""An index for what was seen last and for what is too old."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_interactions_ended_at", "interactions", ["ended_at"])


def downgrade() -> None:
    op.drop_index("ix_interactions_ended_at", "interactions")
